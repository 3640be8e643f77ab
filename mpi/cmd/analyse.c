/* karma analyse: roles, goals and relations found in recorded trajectories. The work is in
 * mpi/jobs/analysis.h; here is its place: directory, options. */
#include "mpi/jobs/analysis.h"

#include "core/base/file.h"
#include "mpi/cmd/commands.h"
#include "mpi/cmd/ranks.h"
#include "mpi/comm/locking.h"
#include "mpi/jobs/explain.h"
#include "mpi/jobs/recorded.h"

#include <limits.h>
#include <string.h>

struct options {
    const char **sets;
    int n_sets;
    const char *out, *controller, *distance, *config;
    const char *scenario;
    int episode, decision, train_seed, success, replaced, band, ngram, clusters, sample, shuffles,
        null_trajectories, seed;
    bool absolute, observed, replay, restart, dry_run;
};

static const struct option_row rows[] = {
    OPTION_STRING(struct options, out, "out", 'o', "DIR",
                  "where tables, figures and the organisation go (default: RUN/analysis of the "
                  "first RUN)"),
    OPTION_STRING(struct options, controller, "controller", 0, "NAME",
                  "only the team of this name in eval.controllers (default: every team)"),
    OPTION_STRING(struct options, distance, "distance", 0, "NAME",
                  "of two trajectories: dtw, edit or euclid (default: dtw)"),
    OPTION_FLAG(struct options, absolute, "absolute", 0,
                "distances are not divided by the activity of both trajectories"),
    OPTION_INT(struct options, band, "band", 0, "PERCENT", 0, 100,
               "width of the band of dtw and edit, of the length (default: 10)"),
    OPTION_INT(struct options, ngram, "ngram", 0, "N", 1, SEQUENCE_NGRAM_MAX,
               "decisions in a step of a trajectory (default: 1)"),
    OPTION_FLAG(struct options, observed, "observed", 0,
                "steps hold what policies see, too, not the changes alone"),
    OPTION_INT(struct options, clusters, "clusters", 0, "K", 2, ROLE_CLUSTERS_MAX,
               "largest number of clusters that is tried (default: 8)"),
    OPTION_INT(struct options, sample, "sample", 0, "N", 10, 20000,
               "distinct trajectories that are clustered; others go to the nearest medoid "
               "(default: 2000)"),
    OPTION_INT(struct options, shuffles, "shuffles", 0, "N", 19, 9999,
               "shuffled teams of each kind (default: 99)"),
    OPTION_INT(struct options, null_trajectories, "shuffled", 0, "N", 8, 20000,
               "trajectories in a shuffled team, about (default: 160)"),
    OPTION_INT(struct options, seed, "seed", 0, "N", 0, INT_MAX,
               "of samples and shuffles (default: 1)"),
    OPTION_FLAG(struct options, replay, "replay", 0,
                "play the episodes again, with replaced choices, to find who has authority "
                "(default: authority is not known)"),
    OPTION_STRING(struct options, config, "config", 'c', "CONFIG",
                  "configuration of the evaluation, for --replay, which it implies, and for "
                  "--episode (default: config.yaml of every RUN)"),
    EXPERIMENT_SET_OPTION(struct options),
    OPTION_INT(struct options, replaced, "replaced", 0, "N", 1, 1000,
               "decisions of each episode at which the choice of each agent is replaced "
               "(default: 6)"),
    OPTION_INT(struct options, episode, "episode", 'e', "N", 0, 1000000000,
               "explain a decision of this episode instead of analysing all"),
    OPTION_INT(struct options, decision, "decision", 'd', "T", 0, 1000000000,
               "the decision to explain, from 0"),
    OPTION_STRING(struct options, scenario, "scenario", 'S', "NAME",
                  "of the episode to explain (default: the first that has it)"),
    OPTION_INT(struct options, train_seed, "train-seed", 0, "N", 0, INT_MAX,
               "training seed of the policy to explain (default: the first)"),
    OPTION_INT(struct options, success, "success", 0, "PERCENT", 0, 100,
               "least SLO attainment of a successful episode (default: the median of its "
               "scenario)"),
    OPTION_FLAG(struct options, restart, "restart", 'r',
                "compute all anew, even what an interrupted analysis left"),
    OPTION_FLAG(struct options, dry_run, "dry-run", 'n',
                "read the trajectories and say what would be computed and the memory it takes"),
    OPTION_END,
};
static const struct operand_row operand_rows[] = {
    {"RUN",
     "directory of an evaluation with eval.trajectories: all; several: the same team with other "
     "training seeds or episodes",
     1, 100000},
    OPERAND_END,
};
static const struct command_line line = {
    "karma analyse",
    "Finds out what a team learned from what it did: reads RUN/trajectories.bin and writes tables, "
    "figures (drawn by `karma figure DIR`) and an inferred organisation to DIR. Start it with "
    "mpi/launch -n RANKS (or mpirun, srun); the results do not depend on RANKS. An interrupted "
    "analysis goes on where it was. docs/analysis.md explains the method.",
    rows, operand_rows, sizeof(struct options)};

/* RUN/analysis; beside the file if RUN is one. */
static const char *default_dir(struct arena *arena, const char *run)
{
    if (file_is_dir(run)) {
        return file_join(arena, run, "analysis");
    }
    const char *slash = strrchr(run, '/');
    return slash == NULL ? "analysis"
                         : arena_printf(arena, "%.*s/analysis", (int)(slash - run), run);
}

static const char config_option[] = "--config CONFIG";

static const char *const distances[] = {"dtw", "edit", "euclid"}; /* enum distance_kind */
enum { DISTANCES = sizeof distances / sizeof *distances };

static int distance_named(const char *name)
{
    int k = 0;
    while (k < DISTANCES && strcmp(distances[k], name) != 0) {
        k++;
    }
    return k;
}

static struct role_cfg roles_cfg(const struct options *o)
{
    return (struct role_cfg){
        .steps = {.ngram = o->ngram, .observed = o->observed},
        .distance = {.kind = distance_named(o->distance),
                     .relative = !o->absolute,
                     .band = o->band / 100.0},
        .k_max = o->clusters,
        .sample = o->sample,
        .null_trajectories = o->null_trajectories,
        .shuffles = o->shuffles,
        .significance = 0.05,
        .seed = (uint64_t)o->seed,
    };
}

/* Local. The twin, where the evaluation was played in it. */
static enum err load_twin(struct experiment *x, const struct comm *comm)
{
    (void)comm;
    return x->cfg.eval.plant == PLANT_KIND_TWIN ? experiment_load_twin(x) : ERR_OK;
}

/* The configuration that was named, or that of the first RUN; the others join it. */
static enum err name_config(struct input *in, const struct call *c)
{
    const struct options *o = c->options;
    *in = (struct input){
        .command = c->line->command, .path = o->config, .sets = o->sets, .n_sets = o->n_sets};
    return o->config != NULL ? ERR_OK
                             : recorded_config(&in->path, c->arena, c->operands[0], config_option);
}

static enum err join_runs(struct experiment *x, const struct call *c)
{
    const struct options *o = c->options;
    return o->config != NULL ? ERR_OK : recorded_join(x, c->operands, c->n_operands, config_option);
}

/* Without ranks. The twin predicts if its file is there. */
static enum err explain_one(const struct call *c)
{
    const struct options *o = c->options;
    struct input in;
    struct experiment x;
    TRY(name_config(&in, c));
    TRY(input_load(&x, &in));
    const struct explain_order order = {.runs = c->operands,
                                        .n_runs = c->n_operands,
                                        .controller = o->controller,
                                        .x = &x,
                                        .episode = o->episode,
                                        .decision = o->decision,
                                        .scenario = o->scenario,
                                        .train_seed = o->train_seed};
    const bool has_twin = x.cfg.twin.file[0] != '\0' && file_exists(x.cfg.twin.file);
    enum err e = has_twin ? experiment_load_twin(&x) : load_twin(&x, NULL);
    e = e == ERR_OK ? join_runs(&x, c) : e;
    if (e == ERR_OK) {
        e = explain_decision(&order, c->arena);
    }
    experiment_release(&x);
    return e;
}

static enum err analyse_on(struct comm *comm, const struct call *c)
{
    const struct options *o = c->options;
    const bool replays = o->replay || o->config != NULL;
    struct input in;
    struct lock lock = {.fd = -1};
    struct experiment x;
    struct analysis_order order = {
        .runs = c->operands,
        .n_runs = c->n_operands,
        .dir = o->out != NULL ? o->out : default_dir(c->arena, c->operands[0]),
        .controller = o->controller,
        .roles = roles_cfg(o),
        .replaced = o->replaced,
        .success = o->success / 100.0,
        .restart = o->restart,
        .dry_run = o->dry_run,
    };
    TRY(arena_error(c->arena));
    enum err e = ERR_OK;
    if (replays) {
        ranks_mute(comm, true);
        e = name_config(&in, c);
        ranks_mute(comm, false);
        TRY(comm_agree(comm, e));
        TRY(ranks_load(&x, comm, &in, load_twin));
        order.x = &x;
        ranks_mute(comm, true);
        e = join_runs(&x, c);
        ranks_mute(comm, false);
        e = comm_agree(comm, e);
    }
    e = e == ERR_OK ? analysis_run(comm, &lock, &order) : e;
    locking_end(&lock);
    if (replays) {
        experiment_release(&x);
    }
    return e;
}

static enum err run(const struct call *c)
{
    const struct options *o = c->options;
    if (o->dry_run && o->restart) {
        return command_misused(c, "--dry-run writes nothing; leave out --restart");
    }
    if ((o->episode < 0) != (o->decision < 0)) {
        return command_misused(c,
                               "a decision is explained with --episode N and --decision T, both");
    }
    if (o->n_sets > 0 && o->config == NULL && !o->replay && o->episode < 0) {
        return command_misused(c, "--set changes a configuration, but only --replay, --config and "
                                  "--episode read one; add --replay");
    }
    if (distance_named(o->distance) == DISTANCES) {
        return command_misused(c, "--distance: '%s' is none; choose dtw, edit or euclid",
                               o->distance);
    }
    return o->episode >= 0 ? explain_one(c) : ranks_run(c, analyse_on);
}

enum err command_analyse(int argc, char **argv)
{
    struct options o = {.distance = "dtw",
                        .replaced = 6,
                        .episode = -1,
                        .decision = -1,
                        .train_seed = -1,
                        .success = -1,
                        .band = 10,
                        .ngram = 1,
                        .clusters = 8,
                        .sample = 2000,
                        .shuffles = 99,
                        .null_trajectories = 160,
                        .seed = 1};
    return command_call(&line, &o, run, argc, argv);
}
