"""Sample: queries -> raw completions of the teacher, the warm student and every evaluated checkpoint."""


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
        python=sampler,
        code=fingerprint("scripts.sample.sample"),
        model=lambda w: teacher_model(w).flags,
        runs_on=lambda w: runs_on(teacher(w)),
        pace=untracked(lambda w: pace(teacher(w))),
        sampling=lambda w: flags(teacher(w).base),
        length=lambda w: flags(dataset(w), only=["max_tokens", "stop"]),
        seed=lambda w: teacher(w).seed,
        written=lambda w, input, output: written(input, output),
        store=store,
    shell:
        r"""
        {params.python} -m scripts.sample.sample \
            --queries {input.queries:q} \
            {params.model} \
            {params.runs_on} \
            {params.pace} \
            --prompt {input.prompt:q} \
            {params.sampling} \
            {params.length} \
            --seed {params.seed} \
            --store {params.store:q} \
            {params.written} \
            --ledger {output.ledger:q} \
            &>{log:q}
        """


rule sample_teacher_again:
    """Sample the teacher once more on the queries whose vote was too divided (App. C)"""
    input:
        queries=lambda w: layout.queries(w.dataset, w.seed, "train"),
        leakage="results/leakage/dataset={dataset}/seed={seed}/report.json",
        unsure="results/unsure/dataset={dataset}/teacher={teacher}/seed={seed}/unsure.parquet",
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
    wildcard_constraints:
        teacher=one_of(name for name, block in settings.teachers.items() if not block.samples),
    priority: 9
    conda:
        "../envs/gpu.yaml"
    resources:
        **needs("sample_teacher_again"),
    params:
        python=sampler,
        code=fingerprint("scripts.sample.sample"),
        first_sample_id=first_round,
        model=lambda w: teacher_model(w).flags,
        runs_on=lambda w: runs_on(teacher(w)),
        pace=untracked(lambda w: pace(teacher(w))),
        sampling=lambda w: flags(teacher(w).again, without=["below"]),
        length=lambda w: flags(dataset(w), only=["max_tokens", "stop"]),
        seed=lambda w: teacher(w).seed,
        written=lambda w, input, output: written(input, output),
        store=store,
    shell:
        r"""
        {params.python} -m scripts.sample.sample \
            --queries {input.queries:q} \
            --round 2 \
            --first-sample-id {params.first_sample_id} \
            --only {input.unsure:q} \
            {params.model} \
            {params.runs_on} \
            {params.pace} \
            --prompt {input.prompt:q} \
            {params.sampling} \
            {params.length} \
            --seed {params.seed} \
            --store {params.store:q} \
            {params.written} \
            --ledger {output.ledger:q} \
            &>{log:q}
        """


rule import_teacher_samples:
    """Take completions that already exist as a teacher's samples"""
    input:
        queries=lambda w: layout.queries(w.dataset, w.seed, "train"),
        leakage="results/leakage/dataset={dataset}/seed={seed}/report.json",
        files=lambda w: [item.path for item in teacher(w).samples],
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
        **small,
    params:
        python=driver,
        code=fingerprint("scripts.sample.import_samples"),
        columns=lambda w: imports(teacher(w).samples),
        max_tokens=lambda w: dataset(w).max_tokens,
        store=store,
    shell:
        r"""
        {params.python} -m scripts.sample.import_samples \
            --queries {input.queries:q} \
            --input {input.files:q} \
            {params.columns} \
            --prompt {input.prompt:q} \
            --max-tokens {params.max_tokens} \
            --store {params.store:q} \
            --output {output.samples:q} \
            --ledger {output.ledger:q} \
            &>{log:q}
        """


use rule sample_teacher as sample_teacher_on_validation with:
    """Sample the teacher on the validation questions, where its votes choose checkpoints"""
    input:
        queries=lambda w: layout.queries(w.dataset, w.seed, "validation"),
        leakage="results/leakage/dataset={dataset}/seed={seed}/report.json",
        model=lambda w: present(teacher_model(w).identity),
        prompt=prompt,
    output:
        samples="results/validation_samples/dataset={dataset}/teacher={teacher}/seed={seed}/round=1/samples.parquet",
        ledger="results/validation_samples/dataset={dataset}/teacher={teacher}/seed={seed}/round=1/ledger.json",
    log:
        "logs/sample_teacher_on_validation/dataset={dataset}/teacher={teacher}/seed={seed}.log",
    benchmark:
        "benchmarks/sample_teacher_on_validation/dataset={dataset}/teacher={teacher}/seed={seed}.tsv"
    resources:
        **needs("sample_teacher_on_validation"),


use rule sample_teacher_again as sample_teacher_on_validation_again with:
    """Sample the teacher once more on the validation questions whose vote was too divided"""
    input:
        queries=lambda w: layout.queries(w.dataset, w.seed, "validation"),
        leakage="results/leakage/dataset={dataset}/seed={seed}/report.json",
        unsure="results/validation_unsure/dataset={dataset}/teacher={teacher}/seed={seed}/unsure.parquet",
        model=lambda w: present(teacher_model(w).identity),
        prompt=prompt,
    output:
        samples="results/validation_samples/dataset={dataset}/teacher={teacher}/seed={seed}/round=2/samples.parquet",
        ledger="results/validation_samples/dataset={dataset}/teacher={teacher}/seed={seed}/round=2/ledger.json",
    log:
        "logs/sample_teacher_on_validation_again/dataset={dataset}/teacher={teacher}/seed={seed}.log",
    benchmark:
        "benchmarks/sample_teacher_on_validation_again/dataset={dataset}/teacher={teacher}/seed={seed}.tsv"
    resources:
        **needs("sample_teacher_on_validation_again"),


use rule import_teacher_samples as import_validation_samples with:
    """Take completions that already exist as a teacher's samples of the validation questions"""
    input:
        queries=lambda w: layout.queries(w.dataset, w.seed, "validation"),
        leakage="results/leakage/dataset={dataset}/seed={seed}/report.json",
        files=lambda w: [item.path for item in teacher(w).samples],
        prompt=prompt,
    output:
        samples="results/validation_samples/dataset={dataset}/teacher={teacher}/seed={seed}/round=1/samples.parquet",
        ledger="results/validation_samples/dataset={dataset}/teacher={teacher}/seed={seed}/round=1/ledger.json",
    log:
        "logs/import_validation_samples/dataset={dataset}/teacher={teacher}/seed={seed}.log",
    benchmark:
        "benchmarks/import_validation_samples/dataset={dataset}/teacher={teacher}/seed={seed}.tsv"
    resources:
        **small,


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
        python=sampler,
        code=fingerprint("scripts.sample.sample"),
        model=lambda w: layout.checkpoint(names(w), w.warmup).flags,
        runs_on=lambda w: runs_on(student(w)),
        pace=untracked(lambda w: pace(student(w))),
        sampling=lambda w: flags(student(w).sampling),
        length=lambda w: flags(dataset(w), only=["max_tokens", "stop"]),
        written=lambda w, input, output: written(input, output),
        store=store,
    shell:
        r"""
        {params.python} -m scripts.sample.sample \
            --queries {input.queries:q} \
            --only {input.labelled:q} \
            {params.model} \
            {params.runs_on} \
            {params.pace} \
            --prompt {input.prompt:q} \
            {params.sampling} \
            {params.length} \
            --seed {wildcards.seed} \
            --store {params.store:q} \
            {params.written} \
            --ledger {output.ledger:q} \
            &>{log:q}
        """


use rule import_teacher_samples as import_student_samples with:
    """Take completions that already exist as a student's samples"""
    input:
        queries=lambda w: layout.queries(w.dataset, w.seed, "train"),
        files=lambda w: [item.path for item in student(w).samples],
        prompt=prompt,
    output:
        samples="results/student_samples/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}/samples.parquet",
        ledger="results/student_samples/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}/ledger.json",
    log:
        "logs/import_student_samples/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}.log",
    benchmark:
        "benchmarks/import_student_samples/dataset={dataset}/teacher={teacher}/student={student}/warmup={warmup}/seed={seed}.tsv"
    wildcard_constraints:
        student=one_of(name for name, block in settings.students.items() if block.samples),
    resources:
        **small,
    params:
        columns=lambda w: imports(student(w).samples),


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
        python=sampler,
        code=fingerprint("scripts.sample.sample"),
        model=lambda w: layout.checkpoint(names(w), w.variant).flags,
        runs_on=lambda w: runs_on(student(w)),
        pace=untracked(lambda w: pace(student(w))),
        sampling="--temperatures 0 --n 1",
        length=lambda w: flags(benchmark_of(w), only=["max_tokens", "stop"]),
        seed=0,
        store=store,
    shell:
        r"""
        {params.python} -m scripts.sample.sample \
            --queries {input.queries:q} \
            {params.model} \
            {params.runs_on} \
            {params.pace} \
            --prompt {input.prompt:q} \
            {params.sampling} \
            {params.length} \
            --seed {params.seed} \
            --store {params.store:q} \
            --output {output.samples:q} \
            --ledger {output.ledger:q} \
            &>{log:q}
        """


use rule sample_checkpoint as sample_base_student with:
    """Answer a benchmark greedily with the student before any training"""
    input:
        queries=lambda w: layout.benchmark(w.benchmark, w.seed),
        model=lambda w: present(layout.model(student(w), int(w.seed)).identity),
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
        model=lambda w: layout.model(student(w), int(w.seed)).flags,


use rule sample_checkpoint as sample_repeatedly with:
    """Answer a benchmark several times with a student: one answer to each question is taken"""
    output:
        samples="results/repeated_samples/benchmark={benchmark}/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}/samples.parquet",
        ledger="results/repeated_samples/benchmark={benchmark}/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}/ledger.json",
    log:
        "logs/sample_repeatedly/benchmark={benchmark}/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}.log",
    benchmark:
        "benchmarks/sample_repeatedly/benchmark={benchmark}/dataset={dataset}/teacher={teacher}/student={student}/variant={variant}/seed={seed}.tsv"
    resources:
        **needs("sample_repeatedly"),
    params:
        sampling=lambda w: flags(student(w).repeated),
        seed=lambda w: w.seed,


rule sample_teacher_on_benchmark:
    """Answer a benchmark greedily with the teacher"""
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
    conda:
        "../envs/gpu.yaml"
    resources:
        **needs("sample_teacher_on_benchmark"),
    params:
        python=sampler,
        code=fingerprint("scripts.sample.sample"),
        model=lambda w: teacher_model(w).flags,
        runs_on=lambda w: runs_on(teacher(w)),
        pace=untracked(lambda w: pace(teacher(w))),
        length=lambda w: flags(benchmark_of(w), only=["max_tokens", "stop"]),
        store=store,
    shell:
        r"""
        {params.python} -m scripts.sample.sample \
            --queries {input.queries:q} \
            {params.model} \
            {params.runs_on} \
            {params.pace} \
            --prompt {input.prompt:q} \
            --temperatures 0 \
            --n 1 \
            {params.length} \
            --seed 0 \
            --store {params.store:q} \
            --output {output.samples:q} \
            --ledger {output.ledger:q} \
            &>{log:q}
        """
