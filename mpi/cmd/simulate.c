/* karma simulate: one controller, one scenario, one episode -> decisions, cohorts, timeline,
 * metrics.
 */
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/nearest.h"
#include "core/base/shell.h"
#include "core/report/table.h"
#include "core/report/timeline.h"
#include "mpi/cmd/commands.h"
#include "mpi/cmd/input.h"
#include "mpi/comm/locking.h"
#include "mpi/comm/stop.h"
#include "mpi/jobs/experiment.h"
#include "mpi/jobs/exporter.h"
#include "mpi/jobs/policies.h"

#include <stdio.h>
#include <string.h>

struct options {
    const char **sets;
    int n_sets;
    const char *controller, *scenario, *out, *listen;
    int episode, speed;
};

static const struct option_row rows[] = {
    EXPERIMENT_SET_OPTION(struct options),
    OPTION_STRING(struct options, controller, "controller", 'c', "NAME",
                  "one of eval.controllers (default: the first)"),
    OPTION_STRING(struct options, scenario, "scenario", 'S', "NAME",
                  "one of scenarios (default: the first)"),
    OPTION_INT(struct options, episode, "episode", 'e', "N", 0, 1000000000,
               "number of the episode; the same as in eval.csv (default: 0)"),
    OPTION_STRING(struct options, out, "out", 'o', "DIR",
                  "where episode.csv, cohorts.csv and timeline.gp go (default: run.dir/simulate)"),
    OPTION_STRING(
        struct options, listen, "listen", 0, "ADDRESS",
        "play in real time instead, episode after episode, and show the measured state to "
        "Prometheus on HOST:PORT/metrics, until SIGTERM"),
    OPTION_INT(struct options, speed, "speed", 0, "N", 1, 1000,
               "with --listen: simulated seconds in a second (default: 1)"),
    OPTION_END,
};
static const struct operand_row operand_rows[] = {
    {"CONFIG", "configuration file, e.g. configs/experiments/warm_start.yaml", 1, 1},
    OPERAND_END,
};
static const struct command_line line = {
    "karma simulate",
    "Plays one episode of the evaluation (eval.split, eval.seed) with one controller, prints its "
    "metrics and writes DIR/episode.csv (one row per decision), DIR/cohorts.csv (one row per 5 s "
    "of "
    "arrivals) and DIR/timeline.gp, which `karma figure DIR` draws. With eval.plant=twin it plays "
    "in "
    "the twin, and cohorts.csv has one row per decision. Needs no ranks.",
    rows, operand_rows, sizeof(struct options)};

/* ---- names ---- */

typedef const char *name_at(const struct experiment_cfg *cfg, int i);

static const char *controller_at(const struct experiment_cfg *cfg, int i)
{
    return controller_label(&cfg->eval.controllers[i]);
}

static const char *scenario_at(const struct experiment_cfg *cfg, int i)
{
    return cfg->scenarios[i].name;
}

/* Index of `typed` (NULL: the first), or a sentence with the nearest name or with all of
 * them. Every name is offered as the nearest until one is equal; where none is near, the
 * message lists all. */
static enum err find_name(int *out, const struct experiment_cfg *cfg, name_at *at, int n,
                          const char *typed, const char *key, struct arena *arena)
{
    struct nearest near = nearest_to(typed == NULL ? "" : typed);
    const char *all = "";
    for (int i = 0; i < n; i++) {
        if (typed == NULL || strcmp(at(cfg, i), typed) == 0) {
            *out = i;
            return ERR_OK;
        }
        nearest_offer(&near, at(cfg, i));
        all = arena_printf(arena, "%s%s'%s'", all, i > 0 ? ", " : "", at(cfg, i));
        TRY(arena_error(arena));
    }
    if (nearest_word(&near) != NULL) {
        log_error("%s has no '%s'; did you mean '%s'?", key, typed, nearest_word(&near));
    } else {
        log_error("%s has no '%s'; it has %s", key, typed, all);
    }
    return ERR_USAGE;
}

/* ---- the episode ---- */

/* struct episode_metrics has doubles only, in the order of metric_info. */
static enum err print_metrics(const struct episode_metrics *m, const double *shielded,
                              const char *title, struct arena *arena)
{
    static const char *const head[] = {"metric", "value", "unit", "meaning"};
    const double *values = (const double *)m;
    struct table t;
    struct buf b;
    table_init(&t, arena, head, 4, 4);
    for (int i = 0; i < METRIC_COUNT; i++) {
        table_text(&t, metric_info[i].name);
        table_number(&t, values[i]);
        table_text(&t, metric_info[i].unit);
        table_text(&t, metric_info[i].doc);
    }
    for (int i = 0; i < SHIELDING_COLUMNS && shielded != NULL; i++) {
        table_text(&t, shielding_columns[i].name);
        table_number(&t, shielded[i]);
        table_text(&t, shielding_columns[i].unit);
        table_text(&t, shielding_columns[i].doc);
    }
    buf_init(&b);
    enum err e = buf_printf(&b, "%s\n\n", title);
    if (e == ERR_OK) {
        e = table_print(&b, &t, TABLE_TEXT);
    }
    if (e == ERR_OK) {
        fwrite(b.data, 1, b.len, stdout);
    }
    buf_release(&b);
    return e;
}

/* Only the chosen controller's policies are loaded, so others may be missing. A learned
 * controller plays with its first policy. `guest`: the directory lies in one that another process
 * may have locked. */
static enum err play(struct timeline *t, const struct experiment *x, int controller,
                     const char *config_path, const char *dir, bool guest, struct arena *arena)
{
    const struct controller_cfg *cfg = &x->cfg.eval.controllers[controller];
    struct policies policies;
    struct arena scratch;
    struct episode_metrics m;
    struct lock lock;
    double shielded[SHIELDING_COLUMNS];
    t->shielded = shielded;
    TRY(policies_load(&policies, arena, x, controller, config_path));
    const struct eval_teams *teams = &policies.teams[controller];
    TRY(controller_new(&t->controllers[0], arena, cfg, &x->env_setup, &x->rules,
                       teams->n_teams > 0 ? teams->teams : NULL));
    TRY((guest ? locking_guest_dir : locking_dir)(&lock, NULL, dir, "karma simulate", "--out DIR"));
    arena_init(&scratch);
    enum err e = timeline_write(&m, t, dir, &scratch);
    if (e == ERR_OK && !episode_metrics_scored(&m)) {
        log_warn("the episode received no request after %g s: it is not scored", t->warmup_s);
    }
    if (e == ERR_OK) {
        e = print_metrics(&m, t->shield ? shielded : NULL, t->title, &scratch);
    }
    arena_release(&scratch);
    locking_end(&lock);
    TRY(e);
    const char *word = shell_word(arena, dir);
    log_info("decisions: %s/episode.csv and cohorts.csv; draw the timeline with: karma figure %s",
             dir, word != NULL ? word : dir);
    return ERR_OK;
}

/* With --listen: nothing is written but the page that Prometheus reads. */
static enum err listen(const struct experiment *x, const struct options *o, int controller,
                       int scenario, const char *config_path, struct arena *arena)
{
    const struct exporter_options how = {.listen = o->listen,
                                         .speed = o->speed,
                                         .scenario = scenario,
                                         .id = {.seed = x->cfg.eval.seed,
                                                .split = (enum rng_split)x->cfg.eval.split,
                                                .env = (uint32_t)o->episode}};
    struct policies policies;
    struct controller *c;
    TRY(policies_load(&policies, arena, x, controller, config_path));
    const struct eval_teams *teams = &policies.teams[controller];
    TRY(controller_new(&c, arena, &x->cfg.eval.controllers[controller], &x->env_setup, &x->rules,
                       teams->n_teams > 0 ? teams->teams : NULL));
    stop_listen_all();
    return exporter_run(&x->env_setup, c, &how, arena);
}

/* The episode is that of eval.csv with the same number: the same seed and split, and
 * numbers do not depend on how many episodes an evaluation has. Without --out the
 * directory is run.dir/simulate. */
static enum err simulate(const struct experiment *x, const struct options *o,
                         const char *config_path, struct arena *arena)
{
    const struct experiment_cfg *cfg = &x->cfg;
    int controller, scenario;
    TRY(find_name(&controller, cfg, controller_at, cfg->eval.n_controllers, o->controller,
                  "eval.controllers", arena));
    TRY(find_name(&scenario, cfg, scenario_at, cfg->n_scenarios, o->scenario, "scenarios", arena));
    if (o->listen != NULL) {
        return listen(x, o, controller, scenario, config_path, arena);
    }
    const char *dir = o->out != NULL ? o->out : file_join(arena, cfg->run.dir, "simulate");
    const bool in_twin = cfg->eval.plant == PLANT_KIND_TWIN;
    struct timeline t = {.env_setup = &x->env_setup,
                         .plant_kind = (enum plant_kind)cfg->eval.plant,
                         .scenario = scenario,
                         .id = {.seed = cfg->eval.seed,
                                .split = (enum rng_split)cfg->eval.split,
                                .env = (uint32_t)o->episode},
                         .n_controllers = 1,
                         .warmup_s = cfg->eval.warmup_s,
                         .step_bound = cfg->eval.step_bound,
                         .shield = cfg->eval.shield,
                         .lie = &cfg->eval.lie};
    t.title =
        arena_printf(arena, "%s, scenario %s, %s episode %d%s%s", controller_at(cfg, controller),
                     scenario_at(cfg, scenario), eval_split_name(&cfg->eval), o->episode,
                     in_twin ? ", in the twin " : "", in_twin ? cfg->twin.file : "");
    TRY(arena_error(arena));
    const bool guest = o->out == NULL; /* a run under way writes nothing into its `simulate` */
    return play(&t, x, controller, config_path, dir, guest, arena);
}

static enum err run(const struct call *c)
{
    const struct options *o = c->options;
    const struct input in = INPUT_OF(c, o);
    struct experiment x;
    TRY(input_load(&x, &in));
    const enum err e = simulate(&x, o, in.path, c->arena);
    experiment_release(&x);
    return e;
}

enum err command_simulate(int argc, char **argv)
{
    struct options o = {.speed = 1};
    return command_call(&line, &o, run, argc, argv);
}
