#!/bin/bash
#SBATCH --job-name=melt
#SBATCH --array=0-5
#SBATCH --cpus-per-task=1
#SBATCH --mem=512M
#SBATCH --time=10:00
#SBATCH --output=melt_%A_%a.out
lmp -in in.melt -var T "$SLURM_ARRAY_TASK_ID"
