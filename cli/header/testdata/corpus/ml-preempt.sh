#!/bin/bash
#SBATCH --partition=preempt
#SBATCH --requeue
#SBATCH --signal=SIGTERM@90
#SBATCH --open-mode=append
#SBATCH --nice=500
#SBATCH --time=UNLIMITED
python train.py --resume auto
