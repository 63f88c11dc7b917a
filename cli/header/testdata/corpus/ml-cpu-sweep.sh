#!/bin/bash
#SBATCH --array=0-26
#SBATCH --cpus-per-task=4
#SBATCH --mem=12G
#SBATCH --time=0-3
#SBATCH --output=sweep/%A/%04a.log
#SBATCH --error=sweep/%A/%04a.err
python grid.py --index "$SLURM_ARRAY_TASK_ID"
