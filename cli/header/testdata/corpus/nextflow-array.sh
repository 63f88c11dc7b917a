#!/bin/bash
#SBATCH --array 0-19
#SBATCH -J nf-COUNT
#SBATCH -o /dev/null
#SBATCH --no-requeue
#SBATCH --signal B:USR2@30
#SBATCH -t 00:30:00
#SBATCH --mem 2048M
declare -a array=( a b )
bash ${array[$SLURM_ARRAY_TASK_ID]}/.command.run
