#!/bin/bash
#SBATCH --export=NIL
#SBATCH --time=10
/usr/bin/env
