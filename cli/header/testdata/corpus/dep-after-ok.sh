#!/bin/bash
#SBATCH --dependency=afterok:1001:1002
#SBATCH --kill-on-invalid-dep=yes
#SBATCH --time=5
./collect.sh
