#!/bin/bash

# a comment first
#SBATCH     --job-name=spaced     --time=5   
#SBATCH	--mem=1G	# a tab, and a comment
  
#SBATCH -c2 -n1
  # SBATCH --time=100

echo run
#SBATCH --time=9999
