#!/bin/bash
#SBATCH --cpus-per-task=2
#SBATCH --hint=nomultithread
#SBATCH --time=60
#COX --ignore-unsupported=hint,distribution
#COX --time=90
#COX --kill-grace=120 --requeue-exit-codes=75,100-102
#COX --allow-future-nodes
./app
