#!/bin/bash
#SBATCH -p long -q normal -A proj0042
#SBATCH -N 1 -n 1 -c 4
#SBATCH --mem=64000
#SBATCH --time=3-00:00:00
#SBATCH --mail-type=END,FAIL
#SBATCH --mail-user=someone@example.org
gatk --java-options "-Xmx56g" HaplotypeCaller -R ref.fa -I in.bam -O out.vcf
