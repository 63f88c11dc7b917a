#!/bin/bash
#SBATCH --job-name=my_job            # Job name
#SBATCH --ntasks=1                   # Run on a single CPU
#SBATCH --mem=1gb                    # Job memory request
#SBATCH --time=00:05:00              # Time limit hrs:min:sec
#SBATCH --output=serial_test_%j.log  # Standard output and error log
pwd; hostname; date
