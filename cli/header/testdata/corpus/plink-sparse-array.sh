#!/bin/bash
#SBATCH --array=1,3,5-9,22
#SBATCH --mem=4G --time=0-02:30
plink --chr $SLURM_ARRAY_TASK_ID
