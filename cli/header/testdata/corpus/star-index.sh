#!/bin/bash -l

#SBATCH --job-name="STAR index"
#SBATCH --cpus-per-task 12
#SBATCH --mem 48G
#SBATCH --time 04:00:00
#SBATCH --exclusive

STAR --runMode genomeGenerate --runThreadN 12
