#!/bin/bash
# The run as a SLURM job of its own, for as long as it takes:
#   sbatch profiles/slurm/driver.sh results/reports/table3/report.html --configfile config/paper.yaml
# Five minutes before its time is up it ends, without its jobs, and a successor goes on with them.
# SITE  partition, account, and the longest time of a CPU job
#SBATCH --job-name=redistill --partition=cpu --cpus-per-task=1 --mem=4G --time=1-00:00:00 --signal=B:USR1@300
#SBATCH --output=redistill-%j.log
.venv/bin/python -m scripts.commands.run --profile slurm "$@" &
run=$!
trap 'kill -USR1 $run' USR1
wait $run
code=$?
while kill -0 $run 2> /dev/null; do # the signal has ended the wait, not yet the run
    wait $run
    code=$?
done
if [ $code = 75 ]; then
    exec sbatch "$SLURM_SUBMIT_DIR/profiles/slurm/driver.sh" "$@"
fi
exit $code
