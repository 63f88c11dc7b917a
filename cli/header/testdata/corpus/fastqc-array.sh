#!/usr/bin/env bash
#SBATCH -J fastqc
#SBATCH -a 1-96%12
#SBATCH -c 2
#SBATCH --mem-per-cpu=4G
#SBATCH -t 2:00:00
#SBATCH -o logs/fastqc.%A_%a.log
sample=$(sed -n "${SLURM_ARRAY_TASK_ID}p" samples.txt)
fastqc -t 2 "$sample"
