#!/bin/bash
#SBATCH -J nf-QC
#SBATCH -o /w/.command.log
#SBATCH --no-requeue
#SBATCH -c 2 --account=lab --qos=high --exclude=node[01-03],node17
bash .command.run
