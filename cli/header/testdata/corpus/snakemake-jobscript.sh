#!/bin/sh
# properties = {"type": "single", "rule": "map", "input": ["a"], "output": ["b"]}
#SBATCH --job-name=snake.map
#SBATCH --comment="rule map, wildcards: sample=A"
#SBATCH --mem 4000
#SBATCH --time 60
cd /work && python -m snakemake --target-jobs map
