#!/bin/bash
#SBATCH --parsable
#SBATCH --cpus-per-task=3
#SBATCH --mem=6000
#SBATCH --kill-on-invalid-dep=yes
snakemake --snakefile Snakefile --cores 3
