/* The text of submit.sh. See ablate_slurm.h. */
#include "mpi/jobs/ablate_slurm.h"

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/plural.h"
#include "core/base/shell.h"

#include <stdio.h>

enum { TASKS_MAX = 1000 }; /* MaxArraySize of Slurm is 1001 unless a site says */

/* The words behind the script: the spec, its settings and its directory. */
static enum err put_words(struct buf *b, const struct ablate_plan *p,
                          const struct ablate_slurm *how)
{
    TRY(buf_printf(b, "%s --out %s", shell_word(p->arena, p->spec_path),
                   shell_word(p->arena, p->dir)));
    for (int i = 0; i < how->n_sets; i++) {
        TRY(buf_printf(b, " --set %s", shell_word(p->arena, how->sets[i])));
    }
    return arena_error(p->arena);
}

/* An array with one element, because slurm/ablation.sbatch is an array. */
static enum err put_stages(struct buf *b, const struct ablate_plan *p,
                           const struct ablate_slurm *how)
{
    if (p->n_stages == 0) {
        return buf_printf(b, "after=\n");
    }
    TRY(buf_printf(b, "stages=$(sbatch --parsable --array=0 --ntasks=%d slurm/ablation.sbatch ",
                   how->stage_ranks));
    TRY(put_words(b, p, how));
    return buf_printf(b, " --stages)\nafter=--dependency=afterok:${stages%%%%;*}\n");
}

static enum err put_script(struct buf *b, const struct ablate_plan *p,
                           const struct ablate_slurm *how, int n_missing)
{
    const int n_tasks = n_missing < TASKS_MAX ? n_missing : TASKS_MAX;
    TRY(buf_printf(b,
                   "#!/bin/sh\n"
                   "# Submits %d run%s of an ablation, what must be there first, and the report.\n"
                   "# Start it in the directory of the sources; again, it submits what is "
                   "missing.\n"
                   "set -eu\n",
                   n_missing, plural_s(n_missing)));
    TRY(put_stages(b, p, how));
    TRY(buf_printf(b,
                   "# shellcheck disable=SC2086\n"
                   "runs=$(sbatch --parsable $after --array=0-%d%%%d --ntasks=%d "
                   "slurm/ablation.sbatch ",
                   n_tasks - 1, how->throttle, how->group));
    TRY(put_words(b, p, how));
    TRY(buf_printf(b, " --group %d)\n", how->group));
    return buf_printf(b,
                      "report=$(sbatch --parsable --dependency=afterany:${runs%%%%;*} "
                      "slurm/report.sbatch %s)\n"
                      "echo \"runs: job ${runs%%%%;*}, report: job ${report%%%%;*}\"\n",
                      shell_word(p->arena, p->dir));
}

static enum err count_missing(int *n, const struct ablate_plan *p)
{
    *n = 0;
    for (int i = 0; i < p->n; i++) {
        struct ablation_outcome out;
        enum ablation_state state;
        TRY(ablation_look(&state, &out, p->arena, p->dir, &p->lines[i]));
        *n += state != ABLATION_DONE ? 1 : 0;
    }
    return ERR_OK;
}

enum err ablate_write_slurm(const struct ablate_plan *plan, const struct ablate_slurm *how)
{
    struct buf b;
    int n_missing;
    const char *path = file_join(plan->arena, how->dir, "submit.sh");
    TRY(arena_error(plan->arena));
    TRY(count_missing(&n_missing, plan));
    if (n_missing == 0) {
        log_info("%s: all %d runs are done; there is nothing to submit", plan->dir, plan->n);
        return ERR_OK;
    }
    TRY(file_make_dirs(how->dir));
    buf_init(&b);
    enum err e = put_script(&b, plan, how, n_missing);
    e = e == ERR_OK ? arena_error(plan->arena) : e;
    e = e == ERR_OK ? file_write(path, b.data, b.len) : e;
    buf_release(&b);
    if (e == ERR_OK) {
        printf("%d run%s to make; submit with: sh %s\n", n_missing, plural_s(n_missing),
               shell_word(plan->arena, path));
    }
    return e;
}
