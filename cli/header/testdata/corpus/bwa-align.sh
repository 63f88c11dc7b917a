#!/bin/bash
#SBATCH --job-name=bwa_mem
#SBATCH --account=genomics
#SBATCH --partition=normal
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=16
#SBATCH --mem=32G
#SBATCH --time=12:00:00
#SBATCH --output=logs/bwa_%j.out
#SBATCH --error=logs/bwa_%j.err
module load bwa samtools
bwa mem -t "$SLURM_CPUS_PER_TASK" ref.fa r1.fq r2.fq | samtools sort -@ 4 -o out.bam
