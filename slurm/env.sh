# What a site needs: modules, launcher, pinning, scratch, requeues. Each job script of this directory
# sources this file when its job starts; nothing else has to be edited for a cluster. A variable that
# was set before sbatch wins over this file. To leave this file as it is, copy it and put
# KARMA_ENV=FILE before sbatch.
#
# After a change, the quickest job that tries everything in it is a doctor's: it prints one line for
# each thing that is well or not.
#     sbatch --ntasks=8 slurm/doctor.sbatch
#
# shellcheck shell=sh

# --- modules: those that were loaded for the build ---
# A batch shell may not know `module`; then source its definition first.
#   . /etc/profile.d/modules.sh
#   module purge
#   module load gcc openmpi openblas libyaml protobuf-c

# --- launcher ---
# mpirun   mpirun or mpiexec of the MPI library that the program was built with
# srun     srun --mpi=pmix (MPICH: --mpi=pmi2); 'srun --mpi=list' shows whether Slurm has it
# ''       mpirun where there is one, else srun
: "${KARMA_LAUNCHER:=}"

# --- pinning ---
# cores    each rank is bound to a core; only for nodes that no other job shares, or where Slurm
#          gives each job a cpuset (ConstrainCores=yes)
# none     ranks are not bound
# ''       cores where Slurm gives the job a cpuset, else none; with srun, what the site has set
: "${KARMA_PIN:=}"

# Further arguments for the launcher, such as '--map-by node'.
: "${KARMA_LAUNCH_ARGS:=}"

# --- scratch ---
# Temporary files of MPI and of figures. A directory of the node itself, never a network file system;
# it must exist, or be creatable, on every node of the job.
#   KARMA_SCRATCH=/local/$USER/$SLURM_JOB_ID
: "${KARMA_SCRATCH:=${SLURM_TMPDIR:-}}"

# --- requeues ---
# 1: a job that was stopped before its time limit goes back into the queue and goes on there, at most
# KARMA_REQUEUE_MAX times. 0: it ends, and its log names the command that goes on.
: "${KARMA_REQUEUE:=0}"
: "${KARMA_REQUEUE_MAX:=100}"

# --- network, for Open MPI; examples ---
# Some sites need to be told which interface connects the nodes.
#   export OMPI_MCA_btl_tcp_if_include=ib0 OMPI_MCA_oob_tcp_if_include=ib0
