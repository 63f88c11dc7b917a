#!/usr/bin/python3
#SBATCH --job-name=py
#SBATCH --time=10:00
#SBATCH --cpus-per-task=1

import os
print(os.environ["SLURM_JOB_ID"])
