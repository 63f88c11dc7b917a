#!/bin/bash
#SBATCH --part=short --acc=lab --job=abbrev
#SBATCH --cpus=4
echo abbreviations
