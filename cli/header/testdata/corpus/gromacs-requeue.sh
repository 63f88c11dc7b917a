#!/bin/bash
#SBATCH --job-name=md
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=24
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:USR1@300
trap 'scontrol requeue $SLURM_JOB_ID' USR1
gmx mdrun -cpi state.cpt -maxh 23.5 &
wait
