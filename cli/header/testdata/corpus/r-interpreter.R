#!/usr/bin/env Rscript
#SBATCH --time=30
#SBATCH --mem=3000M
#SBATCH --array=1-10

task <- as.integer(Sys.getenv("SLURM_ARRAY_TASK_ID"))
print(task)
