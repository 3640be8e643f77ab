/* The checkpoint directory: the checkpoints of a run, RUN/checkpoints/update-N.ckpt. Which is the
 * newest that is whole, and how many are kept. Local: rank 0's.
 */
#ifndef KARMA_TRAIN_CHECKPOINT_DIR_H
#define KARMA_TRAIN_CHECKPOINT_DIR_H

#include "mpi/train/checkpoint.h"

/* "RUN/checkpoints/update-12.ckpt"; NULL when out of memory. */
char *checkpoint_dir_path(struct arena *arena, const char *run_dir, int update);

/* *any: does the run have a checkpoint, whole or not? No such directory: it has not. */
enum err checkpoint_dir_look(bool *any, const char *run_dir) WARN_UNUSED;

/* *path: the newest that is whole; those after it are damaged, each with a warning. Where one was
 * made by another training or a newer program, that error; ERR_FORMAT if none is whole. */
enum err checkpoint_dir_newest(char **path, struct arena *arena, const struct checkpoint *c,
                               const char *run_dir) WARN_UNUSED;

/* Keep checkpoint `newest` and the keep - 1 before it. Later ones are damaged or of updates that
 * are done again, and go too. */
enum err checkpoint_dir_prune(const char *run_dir, int newest, int keep) WARN_UNUSED;

#endif
