#!/bin/bash
#SBATCH --partition=bigmem
#SBATCH --mem=1T
#SBATCH --cpus-per-task=64
#SBATCH --time=7-0
#SBATCH --constraint=avx512
Trinity --seqType fq --max_memory 950G --CPU 64
