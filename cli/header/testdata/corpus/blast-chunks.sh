#!/bin/sh
#SBATCH --array=0-199:10
#SBATCH --ntasks=1
#SBATCH --mem=8gb
#SBATCH --time=480
blastn -query chunk_$SLURM_ARRAY_TASK_ID.fa -db nt
