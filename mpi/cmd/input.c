/* Which sections of the configuration a command reads, and loading with a check of it. See input.h.
 *
 * A --set that a command does not read is refused, in three steps: keys outside the command's
 * sections, keys of a twin where none is played in, and keys of a load that is not used (model or
 * recording). Keys of files are never refused, because commands share a file. */
#include "mpi/cmd/input.h"

#include "core/base/log.h"

#include <stdio.h>
#include <string.h>

/* What makes the environments and those who act in them. */
#define ENV_BUT_WORKLOAD                                                                           \
    "topology", "plant", "cluster", "scenarios", "game", "organisation", "method", "team"
#define ENV_SECTIONS ENV_BUT_WORKLOAD, "workload"
#define OTHER_SECTIONS                                                                             \
    "shield", "twin", "mappo", "attacker", "train", "fit", "eval", "tune", "exploit", "league",    \
        "run"

enum { SECTIONS_MAX = 24 };

/* `plays`: it plays where eval.plant says, and reads `twin` only if that is the twin, or if one of
 * its controllers plans in a twin. */
static const struct reads {
    const char *command;
    bool plays;
    const char *sections[SECTIONS_MAX]; /* NULL at the end */
} reads[] = {
    {"karma train", false, {ENV_SECTIONS, "shield", "twin", "mappo", "attacker", "train", "run"}},
    {"karma bench scale", false, {ENV_SECTIONS, "shield", "twin", "mappo", "train"}},
    {"karma eval", true, {ENV_SECTIONS, "shield", "eval", "run"}},
    {"karma analyse", false, {ENV_SECTIONS, "shield", "twin", "eval", "run"}},
    {"karma tune", true, {ENV_SECTIONS, "shield", "mappo", "train", "twin", "eval", "tune", "run"}},
    {"karma exploit",
     false,
     {ENV_SECTIONS, "twin", "mappo", "attacker", "train", "eval", "exploit", "run"}},
    {"karma league",
     false,
     {ENV_SECTIONS, "twin", "mappo", "attacker", "train", "eval", "exploit", "league", "run"}},
    {"karma simulate",
     true,
     {ENV_SECTIONS, "shield", "eval.controllers", "eval.seed", "eval.split", "eval.plant",
      "eval.warmup_s", "eval.step_bound", "eval.frontier", "eval.shield", "eval.lie", "run"}},
    {"karma trace collect",
     true,
     {ENV_SECTIONS, "eval.controllers", "eval.episodes", "eval.first", "eval.seed", "eval.plant",
      "run"}},
    {"karma trace check", false, {"fit"}},
    {"karma twin fit", false, {"fit", "twin.kind", "twin.noise", "plant"}},
    {"karma twin report",
     false,
     {"plant", "twin.kind", "twin.noise", "twin.lookup", "twin.fallback", "twin.key",
      "twin.successors", "twin.quantum", "twin.radius"}},
    {"karma twin answers",
     false,
     {ENV_SECTIONS, "twin", "eval.controllers", "eval.episodes", "eval.first", "eval.seed",
      "eval.split"}},
    {"karma config show",
     false,
     {ENV_SECTIONS, "shield", "twin", "mappo", "attacker", "train", "fit", "eval", "tune",
      "exploit", "league", "run"}},
    {"karma config check",
     false,
     {ENV_SECTIONS, "shield", "twin", "mappo", "attacker", "train", "fit", "eval", "tune",
      "exploit", "league", "run"}},
};
enum { N_READS = sizeof reads / sizeof *reads };

/* NULL only for a command that is missing in the table, which would be a bug: each caller is a
 * row of it. */
static const struct reads *find(const char *command)
{
    for (int i = 0; i < N_READS; i++) {
        if (strcmp(reads[i].command, command) == 0) {
            return &reads[i];
        }
    }
    return NULL;
}

/* snprintf() returns the length that the text would have, so `len` passes the end of `all` when it
 * does not fit, and the loop ends; the message is then cut. */
static enum err refuse(const struct reads *r, const char *key)
{
    char all[512];
    size_t len = 0;
    for (int i = 0; r->sections[i] != NULL && len < sizeof all; i++) {
        const int n =
            snprintf(all + len, sizeof all - len, "%s%s", i > 0 ? ", " : "", r->sections[i]);
        len += n > 0 ? (size_t)n : 0U;
    }
    log_error("--set %s: %s does not use this key; leave it out (it uses %s)", key, r->command,
              all);
    return ERR_USAGE;
}

/* A load is modelled or replayed: a --set of what the other one reads would change nothing. Each of
 * the two lists names every section but workload as a whole, and of workload the keys that the load
 * in use reads; cfg_find_unused_set() returns a key that is in none of them. */
static enum err check_workload(const struct cfg *reader, const struct experiment_cfg *cfg)
{
    static const char *const modelled[] = {ENV_BUT_WORKLOAD,
                                           OTHER_SECTIONS,
                                           "workload.mean_rps",
                                           "workload.file",
                                           "workload.daily",
                                           "workload.weekly",
                                           "workload.trend",
                                           "workload.noise",
                                           "workload.noise_s",
                                           "workload.burst_per_h",
                                           "workload.burst_factor",
                                           "workload.burst_s",
                                           NULL};
    static const char *const replayed[] = {
        ENV_BUT_WORKLOAD,       OTHER_SECTIONS,         "workload.mean_rps",
        "workload.file",        "workload.time_column", "workload.rate_column",
        "workload.time_unit_s", "workload.gap_s",       NULL};
    const bool replays = cfg->workload.file[0] != '\0';
    char key[CFG_KEY_MAX];
    if (!cfg_find_unused_set(reader, key, replays ? replayed : modelled)) {
        return ERR_OK;
    }
    if (replays) {
        log_error("--set %s: the load is a recording (workload.file=%s), and this key is of the "
                  "model; leave it out, or add --set 'workload.file=\"\"' to use the model",
                  key, cfg->workload.file);
    } else {
        log_error("--set %s: the load is the model, and this key is of a recording; leave it out, "
                  "or name the recording with --set workload.file=FILE",
                  key);
    }
    return ERR_USAGE;
}

/* Limits of a shield that stands nowhere would change nothing. The commands that only print a
 * configuration have no use for one. */
static enum err check_shield(const struct cfg *reader, const struct experiment_cfg *cfg,
                             const struct reads *r)
{
    static const char *const others[] = {ENV_SECTIONS, "twin",   "mappo", "attacker",
                                         "train",      "fit",    "eval",  "tune",
                                         "exploit",    "league", "run",   NULL};
    const bool trains = strcmp(r->command, "karma train") == 0;
    char key[CFG_KEY_MAX];
    if ((!r->plays && !trains) || (r->plays && cfg->eval.shield) ||
        cfg->train.shield == TRAIN_SHIELD_MASK || !cfg_find_unused_set(reader, key, others) ||
        strncmp(key, "shield.", strlen("shield.")) != 0) {
        return ERR_OK;
    }
    log_error("--set %s: %s uses no shield; leave it out, or add --set %s", key, r->command,
              trains ? "train.shield=mask" : "eval.shield=true");
    return ERR_USAGE;
}

/* Some controllers plan in a twin wherever they play. */
static bool plans_in_twin(const struct experiment_cfg *cfg)
{
    for (int c = 0; c < cfg->eval.n_controllers; c++) {
        if (controller_needs(&cfg->eval.controllers[c], CONTROLLER_NEEDS_TWIN)) {
            return true;
        }
    }
    return false;
}

/* Settings of an attacker who does not play would change nothing. */
static enum err check_attacker(const struct cfg *reader, const struct experiment_cfg *cfg,
                               const struct reads *r)
{
    static const char *const others[] = {ENV_SECTIONS, "shield", "twin",    "mappo", "train", "fit",
                                         "eval",       "tune",   "exploit", "run",   NULL};
    char key[CFG_KEY_MAX];
    if (strcmp(r->command, "karma train") != 0 || cfg->train.opponent != OPPONENT_SCRIPTED ||
        !cfg_find_unused_set(reader, key, others) ||
        strncmp(key, "attacker.", strlen("attacker.")) != 0) {
        return ERR_OK;
    }
    log_error("--set %s: there is no learned attacker in this training; leave it out, or add --set "
              "train.opponent=together",
              key);
    return ERR_USAGE;
}

/* ERR_USAGE for a --set of what the command does not read. keys[] has room for one more than the
 * sections of a row and is NULL at its end: the initialiser has set the element behind `twin`. */
static enum err check_sets(const struct cfg *reader, const struct experiment_cfg *cfg,
                           const struct input *in)
{
    const struct reads *r = find(in->command);
    const bool in_twin = r->plays && (cfg->eval.plant == PLANT_KIND_TWIN || plans_in_twin(cfg));
    const char *keys[SECTIONS_MAX + 1] = {NULL};
    char key[CFG_KEY_MAX];
    int n = 0;
    for (; r->sections[n] != NULL; n++) {
        keys[n] = r->sections[n];
    }
    keys[n] = in_twin ? "twin" : NULL;
    if (!cfg_find_unused_set(reader, key, keys)) {
        TRY(check_shield(reader, cfg, r));
        TRY(check_attacker(reader, cfg, r));
        return check_workload(reader, cfg);
    }
    if (r->plays && strncmp(key, "twin.", strlen("twin.")) == 0) {
        log_error("--set %s: %s plays on the simulator, which has no twin; leave it out, or play "
                  "in the twin with --set eval.plant=twin",
                  key, r->command);
        return ERR_USAGE;
    }
    return refuse(r, key);
}

/* The commands that play where eval.plant says print metrics, which need exact counters: `counted`
 * makes a twin that has none an error. */
static enum err load_twin(struct experiment *x)
{
    if (x->cfg.twin.file[0] == '\0') {
        return cfg_error(&x->reader, "eval.plant",
                         "episodes are to be played in a twin, but twin.file names none; add "
                         "--set twin.file=FILE, which karma twin fit makes");
    }
    x->env_setup.counted = true;
    return experiment_load_twin(x);
}

enum err input_load(struct experiment *x, const struct input *in)
{
    const struct reads *r = find(in->command);
    TRY(experiment_load(x, in->path, in->sets, in->n_sets));
    enum err e = check_sets(&x->reader, &x->cfg, in);
    if (e == ERR_OK && r->plays && x->cfg.eval.plant == PLANT_KIND_TWIN) {
        e = load_twin(x);
    } else if (e == ERR_OK && r->plays && plans_in_twin(&x->cfg)) {
        e = experiment_load_twin(x); /* without a file, whoever plans will say so */
    }
    if (e != ERR_OK) {
        experiment_release(x);
    }
    return e;
}

enum err input_load_config(struct experiment_cfg *cfg, struct arena *arena, const struct input *in)
{
    struct cfg reader;
    cfg_init(&reader, experiment_fields, sizeof *cfg, arena);
    TRY(cfg_load(&reader, in->path, in->sets, in->n_sets, cfg));
    return check_sets(&reader, cfg, in);
}
