/* The plan of an ablation: every run with its digest, and the stages that come first.
 *
 * The digest of a run is a hash of all that decides its results: the training with the contents of
 * the files that it names, the seed, and what is played. The twin that is made for it counts with
 * the digest of its stage, because it need not be there yet. So two plans have the same digest
 * where they have the same results, wherever the files are.
 */
#ifndef KARMA_JOBS_ABLATE_PLAN_H
#define KARMA_JOBS_ABLATE_PLAN_H

#include "core/base/nearest.h"
#include "core/eval/ablation.h"
#include "core/eval/ablation_results.h"
#include "mpi/jobs/experiment.h"

/* Traces, or a twin. */
struct ablate_stage {
    bool is_fit;
    uint64_t digest;
    int run;         /* the first one that needs it; its configurations make it */
    int from;        /* of a twin: the stage of its traces */
    const char *dir; /* DIR/stages/... */
};

/* An arm of a claim, and whether an evaluation plays it. */
struct ablate_arm {
    struct nearest near;
    bool found;
};

struct ablate_plan {
    const struct ablation_spec *spec;
    const char *spec_path, *dir;
    struct arena *arena;               /* borrowed */
    struct ablation_run *runs;         /* (n) */
    struct ablation_line *lines;       /* (n); state: waiting */
    int *twins;                        /* (n) stage of its twin, -1: none is made */
    uint64_t *trainings, *evaluations; /* (n) the two parts of the digest */
    int n;
    struct ablate_stage *stages; /* (n_stages) traces before the twins made of them */
    int n_stages;
    uint64_t digest;         /* of the whole: what is preregistered */
    bool on_test;            /* an evaluation plays TEST episodes */
    struct ablate_arm *arms; /* (spec->n_claims, 2) arm and baseline of each claim */
};

/* Local. Loads every configuration once, so whatever is wrong is found now: ERR_CONFIG with
 * sentences that name file and line, and then the variant and the scenario. spec: checked. By
 * reference. */
enum err ablate_plan_init(struct ablate_plan *p, struct arena *arena,
                          const struct ablation_spec *spec, const struct cfg *src_locs,
                          const char *spec_path, const char *dir) WARN_UNUSED;

/* Local. The configurations of run i. A training has its seed, its run directory and the twin that
 * is made for it; `with_twin` false: that twin is left out. An evaluation plays the policy in the
 * training's run directory. On failure nothing is held. */
enum err ablate_load_training(struct experiment *x, const struct ablate_plan *p, int i,
                              bool with_twin) WARN_UNUSED;
enum err ablate_load_evaluation(struct experiment *x, const struct ablate_plan *p,
                                int i) WARN_UNUSED;
enum err ablate_load_collection(struct experiment *x, const struct ablate_plan *p,
                                int i) WARN_UNUSED;

/* Local. Directory of run i, and a file or directory in it or in that of a stage. In the arena. */
const char *ablate_run_dir(const struct ablate_plan *p, struct arena *arena, int i);
const char *ablate_stage_file(const struct ablate_plan *p, struct arena *arena, int stage);

/* Local. `text` as a YAML scalar. In the arena; NULL when out of memory. */
const char *ablate_quoted(struct arena *arena, const char *text);

#endif
