#!/bin/bash
#SBATCH --job-name=r_boot
#SBATCH --array=1-1000%50
#SBATCH --time=00:20:00
#SBATCH --mem=2G
#SBATCH --output=/dev/null
Rscript boot.R "$SLURM_ARRAY_TASK_ID"
