#!/bin/bash
#SBATCH--time=5
#SBATCH -Jtight -ooutput.log
echo tight
