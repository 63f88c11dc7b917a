#!/bin/bash
#SBATCH --job-name=melt
#SBATCH --array=0-6%2
#SBATCH --cpus-per-task=1
#SBATCH --mem=512M
#SBATCH --time=10
#SBATCH --output=melt-%A_%a.out
#
# A sweep over temperatures of LAMMPS' melt example: one array task a temperature. The last task is
# there to fail: its box holds 512 times as many atoms, more than fit into its memory.
#
#   cox submit sweep.sh
set -eu

input=${INPUT:-/usr/share/lammps/examples/melt/in.melt}
steps=${STEPS:-2500}
temperatures=(0.5 1.0 1.5 2.0 2.5 3.0 3.0)
temperature=${temperatures[$SLURM_ARRAY_TASK_ID]}
edge=10
[ "$SLURM_ARRAY_TASK_ID" -lt 6 ] || edge=80

echo "task $SLURM_ARRAY_TASK_ID of job $SLURM_ARRAY_JOB_ID on $SLURMD_NODENAME: T = $temperature, box of $edge"
sed -e "s/all create 3.0/all create $temperature/" -e "s/block 0 10 0 10 0 10/block 0 $edge 0 $edge 0 $edge/" \
	-e "s/^run.*/run $steps/" "$input" >"in.melt.$SLURM_ARRAY_TASK_ID"
export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK
export OMPI_MCA_ess_singleton_isolated=1 # one process needs no Open MPI daemon beside it
/usr/bin/time -v -o "time.$SLURM_ARRAY_TASK_ID" lmp -in "in.melt.$SLURM_ARRAY_TASK_ID" -log none
