#!/bin/bash
#SBATCH -J nf-ALIGN_(sample_1)
#SBATCH -o /scratch/nf/3f/2a9c/.command.log
#SBATCH --no-requeue
#SBATCH --signal B:USR2@30
#SBATCH -c 4
#SBATCH -t 04:00:00
#SBATCH --mem 8192M
#SBATCH -p short
NXF_CHDIR=/scratch/nf/3f/2a9c
cd $NXF_CHDIR
bash .command.run
