#!/bin/bash
#SBATCH --job-name='my job' --comment="it's \"quoted\""
#SBATCH --output=out\ file_%j.txt
#SBATCH --export="ALL,GREETING='hello, world',N=3"
echo "$GREETING"
