"""Sample models: queries -> raw completions, of the teacher, the warm student and every evaluated checkpoint.

A step that the config splits waits for its shards. Each shard is the same command with `--shard`: a job that fills its part of
the store; the step itself then samples nothing and needs no GPU. A shard runs only when its step has to: its inputs are all
the step's own, so they are `ancient` to the shard, its params follow from its path, and Snakemake's record of the step knows
no shards. Its output is a ledger, gone when the step is done.
"""


def dataset(w):
    return settings.datasets[w.dataset]


def prompt(w):
    """The template of the data set, or of the benchmark where there is no data set in the path"""
    block = settings.benchmarks[w.benchmark] if "benchmark" in w.keys() else settings.datasets[w.dataset]
    return f"config/prompts/{block.prompt}.jinja"


def teacher_model(w):
    return layout.model(settings.teachers[w.teacher], int(w.seed))


def first_round(w):
    """Samples a query has from the first round"""
    base = settings.teachers[w.teacher].base
    return len(base.temperatures) * base.n


rule sample_teacher:
    """Sample the teacher at every temperature of its first round (App. C)"""
    input:
        queries=lambda w: layout.queries(w.dataset, w.seed, "train"),
        leakage="results/leakage/dataset={dataset}/seed={seed}/report.json",
        model=lambda w: present(teacher_model(w).identity),
        prompt=prompt,
        shards=lambda w: shards("sample_teacher", w),
    output:
        samples="results/teacher_samples/dataset={dataset}/teacher={teacher}/seed={seed}/round=1/samples.parquet",
        ledger="results/teacher_samples/dataset={dataset}/teacher={teacher}/seed={seed}/round=1/ledger.json",
    log:
        "logs/sample_teacher/dataset={dataset}/teacher={teacher}/seed={seed}.log",
    benchmark:
        "benchmarks/sample_teacher/dataset={dataset}/teacher={teacher}/seed={seed}.tsv"
    wildcard_constraints:
        teacher=one_of(name for name, block in settings.teachers.items() if not block.samples),
    priority: 9
    conda:
        "../envs/gpu.yaml"
    resources:
        **needs("sample_teacher"),
    params:
        code=fingerprint("scripts.sample.sample"),
        model=lambda w: teacher_model(w).flags,
        runs_on=lambda w: runs_on(settings.teachers[w.teacher]),
        pace=lambda w, output: pace(settings.teachers[w.teacher]),
        sampling=lambda w: flags(settings.teachers[w.teacher].base),
        max_tokens=lambda w: dataset(w).max_tokens,
        seed=lambda w: settings.teachers[w.teacher].seed,
        only="",
        written=lambda w, input, output: written(input, output),
    shell:
        r"""
        {gpu} -m scripts.sample.sample \
            --queries {input.queries:q} \
            {params.only} \
            {params.model} \
            {params.runs_on} \
            {params.pace} \
            --prompt {input.prompt:q} \
            {params.sampling} \
            --max-tokens {params.max_tokens} \
            --seed {params.seed} \
            --store {settings.store} \
            {params.written} \
            --ledger {output.ledger:q} \
            &>{log:q}
        """


use rule sample_teacher as sample_teacher_shard with:
    input:
        queries=ancient(lambda w: layout.queries(w.dataset, w.seed, "train")),
        leakage=ancient("results/leakage/dataset={dataset}/seed={seed}/report.json"),
        model=ancient(lambda w: present(teacher_model(w).identity)),
        prompt=ancient(prompt),
    output:
        ledger=temp(
            "results/teacher_samples/dataset={dataset}/teacher={teacher}/seed={seed}/round=1/shards/{shard}.json"
        ),
    log:
        "logs/sample_teacher_shard/dataset={dataset}/teacher={teacher}/seed={seed}/{shard}.log",
    benchmark:
        "benchmarks/sample_teacher_shard/dataset={dataset}/teacher={teacher}/seed={seed}/{shard}.tsv"
    resources:
        **needs("sample_teacher_shard"),
    params:
        code=lambda w, output: None,
        written=lambda w, output: shard_of(w),


use rule sample_teacher as sample_teacher_again with:
    input:
        queries=lambda w: layout.queries(w.dataset, w.seed, "train"),
        leakage="results/leakage/dataset={dataset}/seed={seed}/report.json",
        unsure="results/teacher_samples/dataset={dataset}/teacher={teacher}/seed={seed}/unsure.parquet",
        model=lambda w: present(teacher_model(w).identity),
        prompt=prompt,
        shards=lambda w: shards("sample_teacher_again", w),
    output:
        samples="results/teacher_samples/dataset={dataset}/teacher={teacher}/seed={seed}/round=2/samples.parquet",
        ledger="results/teacher_samples/dataset={dataset}/teacher={teacher}/seed={seed}/round=2/ledger.json",
    log:
        "logs/sample_teacher_again/dataset={dataset}/teacher={teacher}/seed={seed}.log",
    benchmark:
        "benchmarks/sample_teacher_again/dataset={dataset}/teacher={teacher}/seed={seed}.tsv"
    resources:
        **needs("sample_teacher_again"),
    params:
        first_round=lambda w: flags(settings.teachers[w.teacher].base),
        sampling=lambda w: flags(settings.teachers[w.teacher].again, without=["below"]),
        below=lambda w: settings.teachers[w.teacher].again.below,
        only=lambda w, input: f"--round 2 --first-sample-id {first_round(w)} --only {input.unsure}",


use rule sample_teacher_again as sample_teacher_again_shard with:
    input:
        queries=ancient(lambda w: layout.queries(w.dataset, w.seed, "train")),
        leakage=ancient("results/leakage/dataset={dataset}/seed={seed}/report.json"),
        unsure=ancient(
            "results/teacher_samples/dataset={dataset}/teacher={teacher}/seed={seed}/unsure.parquet"
        ),
        model=ancient(lambda w: present(teacher_model(w).identity)),
        prompt=ancient(prompt),
    output:
        ledger=temp(
            "results/teacher_samples/dataset={dataset}/teacher={teacher}/seed={seed}/round=2/shards/{shard}.json"
        ),
    log:
        "logs/sample_teacher_again_shard/dataset={dataset}/teacher={teacher}/seed={seed}/{shard}.log",
    benchmark:
        "benchmarks/sample_teacher_again_shard/dataset={dataset}/teacher={teacher}/seed={seed}/{shard}.tsv"
    resources:
        **needs("sample_teacher_again_shard"),
    params:
        code=lambda w, output: None,
        written=lambda w, output: shard_of(w),


rule import_teacher_samples:
    """Take completions that already exist as a teacher's samples"""
    input:
        queries=lambda w: layout.queries(w.dataset, w.seed, "train"),
        leakage="results/leakage/dataset={dataset}/seed={seed}/report.json",
        files=lambda w: [item.path for item in settings.teachers[w.teacher].samples],
        prompt=prompt,
    output:
        samples="results/teacher_samples/dataset={dataset}/teacher={teacher}/seed={seed}/round=1/samples.parquet",
        ledger="results/teacher_samples/dataset={dataset}/teacher={teacher}/seed={seed}/round=1/ledger.json",
    log:
        "logs/import_teacher_samples/dataset={dataset}/teacher={teacher}/seed={seed}.log",
    benchmark:
        "benchmarks/import_teacher_samples/dataset={dataset}/teacher={teacher}/seed={seed}.tsv"
    wildcard_constraints:
        teacher=one_of(name for name, block in settings.teachers.items() if block.samples),
    conda:
        "../envs/driver.yaml"
    resources:
        **needs("import_teacher_samples"),
    params:
        code=fingerprint("scripts.sample.import_samples"),
        columns=lambda w: imports(settings.teachers[w.teacher].samples),
        max_tokens=lambda w: dataset(w).max_tokens,
    shell:
        r"""
        {driver} -m scripts.sample.import_samples \
            --queries {input.queries:q} \
            --input {input.files:q} \
            {params.columns} \
            --prompt {input.prompt:q} \
            --max-tokens {params.max_tokens} \
            --store {settings.store} \
            --output {output.samples:q} \
            --ledger {output.ledger:q} \
            &>{log:q}
        """


def imports(blocks):
    """The models, temperatures and columns of imported files, one value a file"""
    return " ".join(
        f"--{key} " + " ".join(str(getattr(block, key.replace("-", "_"))) for block in blocks)
        for key in ("model", "temperature", "id-column", "completion-column")
    )


rule sample_student:
    """Sample the warm student on the labelled queries (Eq. 4)"""
    input:
        queries=lambda w: layout.queries(w.dataset, w.seed, "train"),
        labelled=lambda w: layout.labelled(names(w)),
        model=lambda w: present(layout.checkpoint(names(w), w.warmup).identity),
        prompt=prompt,
        shards=lambda w: shards("sample_student", w),
    output:
        samples="results/student_samples/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}/samples.parquet",
        ledger="results/student_samples/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}/ledger.json",
    log:
        "logs/sample_student/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}.log",
    benchmark:
        "benchmarks/sample_student/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}.tsv"
    wildcard_constraints:
        student=one_of(name for name, block in settings.students.items() if not block.samples),
    priority: 8
    conda:
        "../envs/gpu.yaml"
    resources:
        **needs("sample_student"),
    params:
        code=fingerprint("scripts.sample.sample"),
        model=lambda w: layout.checkpoint(names(w), w.warmup).flags,
        runs_on=lambda w: runs_on(settings.students[w.student]),
        n=lambda w: settings.students[w.student].sampling.n,
        temperature=lambda w: settings.students[w.student].sampling.temperature,
        max_tokens=lambda w: dataset(w).max_tokens,
        written=lambda w, input, output: written(input, output),
    shell:
        r"""
        {gpu} -m scripts.sample.sample \
            --queries {input.queries:q} \
            --only {input.labelled:q} \
            {params.model} \
            {params.runs_on} \
            --prompt {input.prompt:q} \
            --temperatures {params.temperature} \
            --n {params.n} \
            --max-tokens {params.max_tokens} \
            --seed {wildcards.seed} \
            --store {settings.store} \
            {params.written} \
            --ledger {output.ledger:q} \
            &>{log:q}
        """


use rule sample_student as sample_student_shard with:
    input:
        queries=ancient(lambda w: layout.queries(w.dataset, w.seed, "train")),
        labelled=ancient(lambda w: layout.labelled(names(w))),
        model=ancient(lambda w: present(layout.checkpoint(names(w), w.warmup).identity)),
        prompt=ancient(prompt),
    output:
        ledger=temp(
            "results/student_samples/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}/shards/{shard}.json"
        ),
    log:
        "logs/sample_student_shard/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}/{shard}.log",
    benchmark:
        "benchmarks/sample_student_shard/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}/{shard}.tsv"
    resources:
        **needs("sample_student_shard"),
    params:
        code=lambda w, output: None,
        written=lambda w, output: shard_of(w),


use rule import_teacher_samples as import_student_samples with:
    input:
        queries=lambda w: layout.queries(w.dataset, w.seed, "train"),
        files=lambda w: [item.path for item in settings.students[w.student].samples],
        prompt=prompt,
    output:
        samples="results/student_samples/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}/samples.parquet",
        ledger="results/student_samples/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}/ledger.json",
    log:
        "logs/import_student_samples/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}.log",
    benchmark:
        "benchmarks/import_student_samples/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}.tsv"
    wildcard_constraints:
        teacher="[^/]+",
        student=one_of(name for name, block in settings.students.items() if block.samples),
    resources:
        **needs("import_student_samples"),
    params:
        columns=lambda w: imports(settings.students[w.student].samples),


rule sample_checkpoint:
    """Answer a benchmark greedily with a trained student"""
    input:
        queries=lambda w: layout.benchmark(w.benchmark, w.seed),
        leakage=lambda w: [
            gate for gate in layout.gates(w.dataset, w.seed) if f"benchmark={w.benchmark}/" in gate
        ],
        model=lambda w: present(layout.checkpoint(names(w), w.variant).identity),
        prompt=prompt,
    output:
        samples="results/eval_samples/benchmark={benchmark}/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}/samples.parquet",
        ledger="results/eval_samples/benchmark={benchmark}/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}/ledger.json",
    log:
        "logs/sample_checkpoint/benchmark={benchmark}/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}.log",
    benchmark:
        "benchmarks/sample_checkpoint/benchmark={benchmark}/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}.tsv"
    conda:
        "../envs/gpu.yaml"
    resources:
        **needs("sample_checkpoint"),
    params:
        code=fingerprint("scripts.sample.sample"),
        model=lambda w: layout.checkpoint(names(w), w.variant).flags,
        runs_on=lambda w: runs_on(settings.students[w.student]),
        pace="",
        max_tokens=lambda w: settings.benchmarks[w.benchmark].max_tokens,
    shell:
        r"""
        {gpu} -m scripts.sample.sample \
            --queries {input.queries:q} \
            {params.model} \
            {params.runs_on} \
            {params.pace} \
            --prompt {input.prompt:q} \
            --temperatures 0 \
            --n 1 \
            --max-tokens {params.max_tokens} \
            --seed 0 \
            --store {settings.store} \
            --output {output.samples:q} \
            --ledger {output.ledger:q} \
            &>{log:q}
        """


use rule sample_checkpoint as sample_teacher_on_benchmark with:
    input:
        queries=lambda w: layout.benchmark(w.benchmark, w.seed),
        model=lambda w: present(teacher_model(w).identity),
        prompt=prompt,
    output:
        samples="results/eval_samples/benchmark={benchmark}/teacher={teacher}/seed={seed}/samples.parquet",
        ledger="results/eval_samples/benchmark={benchmark}/teacher={teacher}/seed={seed}/ledger.json",
    log:
        "logs/sample_teacher_on_benchmark/benchmark={benchmark}/teacher={teacher}/seed={seed}.log",
    benchmark:
        "benchmarks/sample_teacher_on_benchmark/benchmark={benchmark}/teacher={teacher}/seed={seed}.tsv"
    resources:
        **needs("sample_teacher_on_benchmark"),
    params:
        model=lambda w: teacher_model(w).flags,
        runs_on=lambda w: runs_on(settings.teachers[w.teacher]),
        pace=lambda w, output: pace(settings.teachers[w.teacher]),


use rule sample_checkpoint as sample_base_student with:
    input:
        queries=lambda w: layout.benchmark(w.benchmark, w.seed),
        model=lambda w: present(layout.model(settings.students[w.student], int(w.seed)).identity),
        prompt=prompt,
    output:
        samples="results/eval_samples/benchmark={benchmark}/student={student}/seed={seed}/samples.parquet",
        ledger="results/eval_samples/benchmark={benchmark}/student={student}/seed={seed}/ledger.json",
    log:
        "logs/sample_base_student/benchmark={benchmark}/student={student}/seed={seed}.log",
    benchmark:
        "benchmarks/sample_base_student/benchmark={benchmark}/student={student}/seed={seed}.tsv"
    resources:
        **needs("sample_base_student"),
    params:
        model=lambda w: layout.model(settings.students[w.student], int(w.seed)).flags,
