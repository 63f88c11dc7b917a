#!/bin/bash
#SBATCH --array=1-8
#SBATCH --dependency=aftercorr:555
#SBATCH --kill-on-invalid-dep=no
./second-stage.sh $SLURM_ARRAY_TASK_ID
