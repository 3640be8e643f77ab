/* karma ablate: variants x scenarios x seeds, each a run of its own. The work is in
 * mpi/jobs/ablate.h; here the spec is read and the question is chosen. */
#include "mpi/jobs/ablate.h"
#include "core/base/log.h"
#include "mpi/cmd/commands.h"
#include "mpi/cmd/ranks.h"
#include "mpi/jobs/ablate_slurm.h"
#include "mpi/jobs/ablate_status.h"

#include <inttypes.h>
#include <stdio.h>

enum { DEFAULT_THROTTLE = 16 };

struct options {
    const char **sets;
    int n_sets;
    const char *out, *lines, *slurm;
    int group, throttle, stage_ranks, show;
    bool stages, retry, restart, dry_run, status, preregister;
};

static const struct option_row rows[] = {
    OPTION_LIST(struct options, sets, n_sets, "set", 's', "KEY=VALUE",
                "override a key of the spec"),
    OPTION_STRING(struct options, out, "out", 'o', "DIR", "where everything goes (default: dir)"),
    OPTION_INT(struct options, group, "group", 'g', "N", 1, 1000000,
               "ranks that make a run together; the others make other runs meanwhile (default: 1)"),
    OPTION_STRING(struct options, lines, "lines", 'l', "LIST",
                  "only these lines of the manifest, such as 3,7,9-12"),
    OPTION_FLAG(struct options, stages, "stages", 0, "make the traces and twins, and no run"),
    OPTION_FLAG(struct options, retry, "retry", 0, "make failed runs again"),
    OPTION_FLAG(struct options, restart, "restart", 'r',
                "make runs again whose results are of another configuration; these move aside"),
    OPTION_FLAG(struct options, dry_run, "dry-run", 'n',
                "check every configuration and list the runs; make none, write nothing"),
    OPTION_FLAG(struct options, status, "status", 0,
                "print what is done, running, waiting, failed"),
    OPTION_FLAG(struct options, preregister, "preregister", 0,
                "print the line with the digest that a spec with TEST episodes must carry"),
    OPTION_INT(struct options, show, "show", 0, "LINE", 1, 1000000,
               "print the complete configuration of that run"),
    OPTION_STRING(struct options, slurm, "slurm", 0, "DIR",
                  "write DIR/submit.sh, which submits the runs as a job array, and the report"),
    OPTION_INT(struct options, throttle, "throttle", 0, "N", 1, 1000,
               "with --slurm: tasks that run at a time (default: 16)"),
    OPTION_INT(struct options, stage_ranks, "stage-ranks", 0, "N", 1, 1000000,
               "with --slurm: ranks of the job that makes traces and twins (default: those of "
               "--group)"),
    OPTION_END,
};
static const struct operand_row operand_rows[] = {
    {"SPEC", "an ablation, e.g. configs/ablations/tiny.yaml", 1, 1},
    OPERAND_END,
};
static const struct command_line line = {
    "karma ablate",
    "Trains and evaluates every variant of SPEC in every scenario with every seed, and makes what "
    "must be there first (traces, twins). Makes only what is missing: an ablation that was stopped "
    "or lost goes on with the same command, on any number of ranks, and several processes may work "
    "on one DIR. Start it with mpi/launch -n RANKS (or mpirun, srun); the results depend neither "
    "on RANKS nor on --group. SIGUSR1 stops it with checkpoints. docs/ablations.md explains SPEC "
    "and DIR.",
    rows, operand_rows, sizeof(struct options)};

/* One call: the spec and what follows from it. */
struct session {
    struct arena arena;
    struct cfg reader;
    struct ablation_spec spec;
    struct ablate_plan plan;
};

static enum err load_spec(struct session *s, const struct call *c)
{
    const struct options *o = c->options;
    cfg_init(&s->reader, ablation_fields, sizeof s->spec, &s->arena);
    TRY(cfg_load(&s->reader, c->operands[0], o->sets, o->n_sets, &s->spec));
    return ablation_check(&s->spec, &s->reader);
}

static enum err load_plan(struct session *s, const struct call *c)
{
    const struct options *o = c->options;
    TRY(load_spec(s, c));
    return ablate_plan_init(&s->plan, &s->arena, &s->spec, &s->reader, c->operands[0],
                            o->out != NULL ? o->out : s->spec.dir);
}

static enum err run_plan(struct session *s, struct comm *comm, const struct call *c)
{
    const struct options *o = c->options;
    const struct ablate_order order = {.group = o->group,
                                       .lines = o->lines,
                                       .stages_only = o->stages,
                                       .retry = o->retry,
                                       .restart = o->restart};
    ranks_mute(comm, true);
    const enum err e = load_plan(s, c);
    ranks_mute(comm, false);
    TRY(comm_agree(comm, e));
    if (o->group > comm->size) {
        if (comm->rank == 0) {
            log_error("--group %d: there are %d ranks; start more with mpi/launch -n %d, or make "
                      "the group smaller",
                      o->group, comm->size, o->group);
        }
        return ERR_USAGE;
    }
    return ablate_all(comm, &s->plan, &order);
}

static enum err ablate_on(struct comm *comm, const struct call *c)
{
    struct session s;
    arena_init(&s.arena);
    const enum err e = run_plan(&s, comm, c);
    arena_release(&s.arena);
    return e;
}

/* The configuration of the training, or of the evaluation where nothing is trained. */
static enum err show_run(struct session *s, int line_number)
{
    const int i = line_number - 1;
    struct experiment x;
    if (i >= s->plan.n) {
        log_error("--show %d: there are %d runs; --dry-run lists them", line_number, s->plan.n);
        return ERR_USAGE;
    }
    const bool trains = s->spec.variants[s->plan.runs[i].variant].kind == ABLATION_TRAINING;
    TRY(trains ? ablate_load_training(&x, &s->plan, i, true)
               : ablate_load_evaluation(&x, &s->plan, i));
    fputs((const char *)x.resolved.data, stdout);
    experiment_release(&x);
    return ERR_OK;
}

/* The questions that need no ranks. */
static enum err ask(struct session *s, const struct call *c)
{
    const struct options *o = c->options;
    if (o->status) {
        TRY(load_spec(s, c));
        return ablate_status(o->out != NULL ? o->out : s->spec.dir, c->operands[0]);
    }
    TRY(load_plan(s, c));
    if (o->preregister) {
        printf("preregistered: \"%016" PRIx64 "\"\n", s->plan.digest);
        return ERR_OK;
    }
    if (o->slurm != NULL) {
        const struct ablate_slurm how = {.dir = o->slurm,
                                         .sets = o->sets,
                                         .n_sets = o->n_sets,
                                         .group = o->group,
                                         .stage_ranks =
                                             o->stage_ranks > 0 ? o->stage_ranks : o->group,
                                         .throttle = o->throttle};
        TRY(ablate_check_test(&s->plan));
        return ablate_write_slurm(&s->plan, &how);
    }
    return o->show > 0 ? show_run(s, o->show) : ablate_list(&s->plan, o->lines);
}

/* The question that is asked instead of making runs; NULL: none. *n: how many. */
static const char *question(int *n, const struct options *o)
{
    *n = (o->dry_run ? 1 : 0) + (o->status ? 1 : 0) + (o->preregister ? 1 : 0) +
         (o->show > 0 ? 1 : 0) + (o->slurm != NULL ? 1 : 0);
    return o->status        ? "status"
           : o->dry_run     ? "dry-run"
           : o->preregister ? "preregister"
           : o->show > 0    ? "show"
           : o->slurm       ? "slurm"
                            : NULL;
}

static enum err check_options(const struct call *c)
{
    const struct options *o = c->options;
    const char *extra = o->stages ? "stages" : o->retry ? "retry" : o->restart ? "restart" : NULL;
    int n;
    const char *asked = question(&n, o);
    if (n > 1) {
        return command_misused(c, "--dry-run, --status, --preregister, --show and --slurm make no "
                                  "runs; choose one of them");
    }
    if ((o->throttle != DEFAULT_THROTTLE || o->stage_ranks > 0) && o->slurm == NULL) {
        const char *name = o->stage_ranks > 0 ? "stage-ranks" : "throttle";
        return command_misused(c, "--%s is for --slurm DIR; add it, or leave --%s out", name, name);
    }
    return asked != NULL && extra != NULL
               ? command_misused(c, "--%s makes no runs; leave out --%s", asked, extra)
               : ERR_OK;
}

static enum err run(const struct call *c)
{
    int n;
    TRY(check_options(c));
    if (question(&n, c->options) == NULL) {
        return ranks_run(c, ablate_on);
    }
    struct session s;
    arena_init(&s.arena);
    const enum err e = ask(&s, c);
    arena_release(&s.arena);
    return e;
}

enum err command_ablate(int argc, char **argv)
{
    struct options o = {.group = 1, .throttle = DEFAULT_THROTTLE};
    return command_call(&line, &o, run, argc, argv);
}
