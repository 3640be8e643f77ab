/* The root table, and building an experiment from it. See experiment.h. */
#include "mpi/jobs/experiment.h"

#include "core/base/crc32c.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/shell.h"
#include "core/eval/episode.h"
#include "core/game/privileged.h"
#include "core/plant/schema.h"
#include "mpi/jobs/fit.h"

#include <stdio.h>
#include <string.h>

enum { INPUT_FILE_MAX = 1024 * 1024 * 1024 }; /* that a configuration names */

static const struct cfg_field run_fields[] = {
    CFG_STRING(struct run_cfg, dir, "results/runs/default", CFG_OUTPUT,
               "directory of the run, made if missing"),
    CFG_END,
};

#define TRAINING_ROWS                                                                              \
    CFG_TABLE(struct experiment_cfg, topology, topology_fields,                                    \
              "services and the node they share"),                                                 \
        CFG_TABLE(struct experiment_cfg, plant, plant_fields,                                      \
                  "measurement, service level, reward"),                                           \
        CFG_TABLE(struct experiment_cfg, cluster, cluster_fields, "simulator of the cluster"),     \
        CFG_TABLE(struct experiment_cfg, twin, twin_fields, "the digital twin to train in"),       \
        CFG_TABLE(struct experiment_cfg, workload, workload_fields, "legitimate load"),            \
        CFG_LIST(struct experiment_cfg, scenarios, n_scenarios, struct scenario_cfg,               \
                 scenario_fields, "[{name: quiet}]", 1, 64, "what happens to the cluster"),        \
        CFG_TABLE(struct experiment_cfg, game, game_fields, "agents and their actions"),           \
        CFG_TABLE(struct experiment_cfg, organisation, org_fields,                                 \
                  "roles and missions of the agents; none without agents"),                        \
        CFG_TABLE(struct experiment_cfg, shield, shield_fields,                                    \
                  "what no controller may do (eval.shield, train.shield)"),                        \
        CFG_TABLE(struct experiment_cfg, method, method_fields, "how a team is trained"),          \
        CFG_TABLE(struct experiment_cfg, team, team_fields, "networks"),                           \
        CFG_TABLE(struct experiment_cfg, mappo, mappo_fields, "learning algorithm"),               \
        CFG_TABLE(struct experiment_cfg, attacker, attacker_fields,                                \
                  "the learned attacker (train.opponent); its budget is plant.attack_*"),          \
        CFG_TABLE(struct experiment_cfg, train, train_fields, "training")

const struct cfg_field experiment_training_fields[] = {TRAINING_ROWS, CFG_END};
const struct cfg_field experiment_fields[] = {
    TRAINING_ROWS,
    CFG_TABLE(struct experiment_cfg, fit, fit_fields, "fitting a twin (karma twin fit)"),
    CFG_TABLE(struct experiment_cfg, eval, eval_fields, "evaluation"),
    CFG_TABLE(struct experiment_cfg, tune, tune_fields,
              "tuning (karma tune); none without a controller"),
    CFG_TABLE(struct experiment_cfg, exploit, exploit_fields,
              "attackers trained against controllers (karma exploit)"),
    CFG_TABLE(struct experiment_cfg, league, league_fields,
              "populations of defenders and attackers (karma league)"),
    CFG_TABLE(struct experiment_cfg, run, run_fields, "where results go"),
    CFG_END,
};

/* Length in the upper half, CRC in the lower one: INPUT_FILE_MAX keeps the length below 2^31. */
enum err experiment_hash_file(uint64_t *hash, void *ctx, const char *path)
{
    (void)ctx;
    struct buf bytes;
    buf_init(&bytes);
    const enum err e = file_read(&bytes, path, INPUT_FILE_MAX);
    if (e == ERR_OK) {
        *hash = (uint64_t)bytes.len << 32 ^ crc32c(0, bytes.data, bytes.len);
    }
    buf_release(&bytes);
    return e;
}

enum err experiment_training_digest(uint64_t *digest, const struct experiment_cfg *cfg)
{
    return cfg_digest(digest, experiment_training_fields, cfg, experiment_hash_file, NULL);
}

/* "key: old -> new" for each difference, on one line. cfg_diff() ends each line with a newline, so
 * memchr() finds one. `out` is NUL-terminated at the end. */
static enum err join_lines(struct buf *out, const struct buf *lines)
{
    const char *at = (const char *)lines->data, *end = at + lines->len;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        TRY(buf_printf(out, "%s%.*s", out->len > 0 ? "; " : "", (int)(newline - at), at));
        at = newline + 1;
    }
    return buf_append(out, "", 1);
}

enum err experiment_diff(struct buf *out, const struct cfg_field *table,
                         const struct experiment_cfg *old, const struct experiment_cfg *new)
{
    struct buf lines;
    int n_differ = 0;
    buf_init(&lines);
    enum err e = cfg_diff(&lines, &n_differ, table, old, new);
    if (e == ERR_OK) {
        e = join_lines(out, &lines);
    }
    buf_release(&lines);
    return e;
}

/* train.rounds and train.finish divide the updates of a training in a twin (mpi/jobs/stages.h). */
static enum err check_stages(const struct experiment *x)
{
    const struct train_cfg *train = &x->cfg.train;
    const char *key = train->rounds > 1 ? "train.rounds" : "train.finish";
    const int in_twin = train->updates - train->finish;
    if (train->rounds == 1 && train->finish == 0) {
        return ERR_OK;
    }
    if (x->cfg.twin.file[0] == '\0') {
        return cfg_error(&x->reader, key,
                         "is about a training in a twin, but this one is on the simulator from the "
                         "start; name a twin with twin.file, or leave the key out");
    }
    if (in_twin < 0) {
        return cfg_error(&x->reader, "train.finish",
                         "is %d, more than the %d updates there are "
                         "(train.updates)",
                         train->finish, train->updates);
    }
    if (train->rounds > 1 && train->rounds > in_twin) {
        return cfg_error(&x->reader, "train.rounds",
                         "is %d, more than the %d updates in the twin (train.updates - "
                         "train.finish)",
                         train->rounds, in_twin);
    }
    const int64_t played =
        (int64_t)train->round_episodes * x->cfg.n_scenarios * x->cfg.game.horizon;
    if (train->rounds > 1 && played < REFIT_TRANSITIONS) {
        return cfg_error(&x->reader, "train.round_episodes",
                         "is %d: %d episodes of %d decisions in each of %d scenarios are %d "
                         "transitions, and a refit needs %d; set it to %d",
                         train->round_episodes, train->round_episodes, x->cfg.game.horizon,
                         x->cfg.n_scenarios, (int)played, REFIT_TRANSITIONS,
                         (REFIT_TRANSITIONS - 1) / (x->cfg.n_scenarios * x->cfg.game.horizon) + 1);
    }
    if (train->rounds > 1 && train->pipeline > 0) {
        return cfg_error(&x->reader, "train.rounds",
                         "is %d: a refit waits for the weights of the update before it, so no "
                         "rollout can run ahead; set train.pipeline to 0",
                         train->rounds);
    }
    return ERR_OK;
}

/* An environment plays updates * steps / horizon episodes, the cut first one aside. */
static struct cost_law cost_law(const struct experiment_cfg *cfg)
{
    const struct train_cfg *t = &cfg->train;
    return (struct cost_law){
        .kind = (enum cost_kind)t->cost,
        .weight = cfg->plant.cost_weight,
        .start = t->cost_start,
        .episodes = t->cost_share * t->updates * t->steps / cfg->game.horizon,
        .lo = t->cost_range[0],
        .hi = t->cost_range[1],
    };
}

enum err experiment_rules(struct rules *r, struct arena *arena, const struct experiment_cfg *cfg,
                          const struct env_setup *env_setup, const struct cfg *src_locs)
{
    TRY(rules_init_organised(r, arena, &cfg->game, env_setup, &cfg->organisation, src_locs));
    if (cfg->team.critic == CRITIC_PRIVILEGED) {
        rules_show_privileged(r);
    }
    const struct cost_law law = cost_law(cfg);
    rules_weigh_cost(r, &law);
    r->env.group = cfg->train.group;
    r->shield = cfg->train.shield == TRAIN_SHIELD_MASK ? env_setup->shield : NULL;
    return ERR_OK;
}

/* What other sections ask for, and only teams that play by the rules of the game can do. */
static enum err check_interface(const struct method *m, const struct experiment_cfg *cfg,
                                const struct cfg *src_locs)
{
    const char *name = method_name(m);
    if (cfg->organisation.n_agents > 0) {
        return cfg_error(src_locs, "organisation",
                         "has agents, but a team that is trained by %s has no roles and missions; "
                         "leave it out (include configs/organisations/none.yaml behind it), or set "
                         "method to karma",
                         name);
    }
    if (cfg->train.shield == TRAIN_SHIELD_MASK) {
        return cfg_error(src_locs, "train.shield",
                         "is mask, which %s knows nothing of; set it to none: eval.shield puts the "
                         "shield behind the policy",
                         name);
    }
    if (cfg->train.cost != COST_FIXED) {
        return cfg_error(src_locs, "train.cost",
                         "is not fixed, but %s is told no cost weight; set it to fixed", name);
    }
    return ERR_OK;
}

enum err experiment_method(struct method *m, struct arena *arena, const struct experiment_cfg *cfg,
                           const struct rules *rules, const struct cfg *src_locs)
{
    const struct method_setup setup = {.env_setup = rules->env_setup,
                                       .rules = rules,
                                       .team = &cfg->team,
                                       .mappo = &cfg->mappo,
                                       .group = cfg->train.group,
                                       .n_env = cfg->train.envs,
                                       .n_steps = cfg->train.steps,
                                       .src_locs = src_locs};
    TRY(method_init(m, arena, &cfg->method, &setup));
    if (cfg->train.init == INIT_CLONE && m->interface->ops->imitate == NULL) {
        return cfg_error(src_locs, "train.init",
                         "is clone, but a team that is trained by %s imitates nobody; set it to "
                         "scratch",
                         method_name(m));
    }
    return method_plays_rules(m) ? ERR_OK : check_interface(m, cfg, src_locs);
}

/* A group lies in one tile, and all groups are whole. */
static enum err check_group(const struct experiment *x)
{
    const int group = x->cfg.train.group, envs = x->cfg.train.envs;
    if (TILE % group != 0) {
        return cfg_error(&x->reader, "train.group",
                         "is %d, which does not divide a tile of %d environments; set it to 1, 2, "
                         "4 or 8",
                         group, TILE);
    }
    return envs % group == 0
               ? ERR_OK
               : cfg_error(&x->reader, "train.envs",
                           "is %d, which is no multiple of train.group (%d); set it to %d", envs,
                           group, envs + group - envs % group);
}

/* Tiles that learning ranks are to simulate: there cannot be more of them than tiles. */
static enum err check_learners_simulate(const struct experiment *x)
{
    const struct train_cfg *t = &x->cfg.train;
    const int n_tiles = (t->envs + TILE - 1) / TILE;
    return t->learners_simulate <= n_tiles
               ? ERR_OK
               : cfg_error(&x->reader, "train.learners_simulate",
                           "is %d, but %d environments (train.envs) are %d tile%s of %d; set it to "
                           "at most %d",
                           t->learners_simulate, t->envs, n_tiles, n_tiles == 1 ? "" : "s", TILE,
                           n_tiles);
}

static enum err refuse_cost_key(const struct experiment *x, const char *key, const char *kind)
{
    char name[64];
    (void)snprintf(name, sizeof name, "train.%s", key);
    return cfg_error(&x->reader, name,
                     "has no effect unless train.cost is %s; set train.cost to %s, or leave the "
                     "key out",
                     kind, kind);
}

/* A key of a kind of train.cost that was not chosen is refused if its value is not the default: a
 * resolved configuration contains all keys. */
static enum err check_cost_keys(struct experiment *x)
{
    const struct train_cfg *t = &x->cfg.train;
    const bool annealed = t->cost == COST_ANNEALED, conditioned = t->cost == COST_CONDITIONED;
    struct train_cfg usual;
    struct cfg reader;
    cfg_init(&reader, train_fields, sizeof usual, &x->arena);
    TRY(cfg_load_text(&reader, "train", "{}", NULL, 0, &usual));
    if (!annealed && t->cost_start != usual.cost_start) {
        return refuse_cost_key(x, "cost_start", "annealed");
    }
    if (!annealed && t->cost_share != usual.cost_share) {
        return refuse_cost_key(x, "cost_share", "annealed");
    }
    if (!conditioned &&
        (t->cost_range[0] != usual.cost_range[0] || t->cost_range[1] != usual.cost_range[1])) {
        return refuse_cost_key(x, "cost_range", "conditioned");
    }
    return ERR_OK;
}

/* A queueing twin is told the load alone; pods that crash under it are no part of the model. In a
 * residual twin networks correct what is shown, and the queues play on as if they were alone: a
 * crash never adds load to the pods that are left, and this is what the coupling is about. */
static enum err check_coupling(const struct experiment *x)
{
    if (x->cfg.twin.kind == TWIN_MLP || !(x->cfg.cluster.liveness.coupling > 0.0)) {
        return ERR_OK;
    }
    return cfg_error(
        &x->reader, "cluster.liveness.coupling",
        "is %g, but pods never crash in the queues of a %s twin; set it to 0, or learn "
        "these crashes with networks alone (twin.kind: mlp)",
        x->cfg.cluster.liveness.coupling,
        x->cfg.twin.kind == TWIN_QUEUEING ? "queueing" : "residual");
}

/* An evaluation during training plays at plant.cost_weight. */
static enum err check_cost(const struct experiment *x)
{
    const struct train_cfg *t = &x->cfg.train;
    if (t->cost != COST_CONDITIONED) {
        return ERR_OK;
    }
    if (!(t->cost_range[0] < t->cost_range[1])) {
        return cfg_error(&x->reader, "train.cost_range",
                         "is [%g, %g]; the first number must be the smaller one", t->cost_range[0],
                         t->cost_range[1]);
    }
    return t->evaluate.every == 0 || cost_law_covers(&x->rules.cost, x->cfg.plant.cost_weight)
               ? ERR_OK
               : cfg_error(&x->reader, "plant.cost_weight",
                           "is %g, at which train.evaluate would play, and train.cost_range is "
                           "[%g, %g]; set it to a weight in between, or train.evaluate.every to 0",
                           x->cfg.plant.cost_weight, t->cost_range[0], t->cost_range[1]);
}

/* A policy file is for an attacker that does not learn, and for no other. */
static enum err check_policy(const struct experiment *x)
{
    const bool fixed = x->cfg.train.opponent == OPPONENT_FIXED;
    const char *policy = x->cfg.attacker.policy;
    if (fixed && policy[0] == '\0') {
        return cfg_error(&x->reader, "attacker.policy",
                         "is empty, and train.opponent is fixed; name the policy file of a trained "
                         "attacker, such as RUN/policy/attacker.bin of a training with "
                         "train.opponent: together");
    }
    if (fixed && !file_exists(policy)) {
        return cfg_error(&x->reader, "attacker.policy",
                         "there is no file '%s'; a training with train.opponent: together writes "
                         "one, RUN/policy/attacker.bin",
                         policy);
    }
    if (!fixed && policy[0] != '\0') {
        return cfg_error(&x->reader, "attacker.policy",
                         "is %s, which has no effect unless train.opponent is fixed; set "
                         "train.opponent to fixed, or leave the key out",
                         policy);
    }
    return ERR_OK;
}

/* Members are for a population, and for nothing else. */
static enum err check_members(const struct experiment *x)
{
    const struct attacker_cfg *a = &x->cfg.attacker;
    double sum = 0.0;
    if (x->cfg.train.opponent != OPPONENT_POPULATION) {
        return a->n_members == 0 && a->n_shares == 0
                   ? ERR_OK
                   : cfg_error(&x->reader,
                               a->n_members > 0 ? "attacker.members" : "attacker.shares",
                               "has no effect unless train.opponent is population; set "
                               "train.opponent to population, or leave the key out");
    }
    if (a->n_members == 0) {
        return cfg_error(&x->reader, "attacker.members",
                         "is empty, and train.opponent is population; name policy files of trained "
                         "attackers");
    }
    for (int i = 0; i < a->n_members; i++) {
        if (a->members[i][0] != '\0' && !file_exists(a->members[i])) {
            return cfg_error(&x->reader, "attacker.members", "there is no file '%s'",
                             a->members[i]);
        }
    }
    for (int i = 0; i < a->n_shares; i++) {
        sum += a->shares[i];
    }
    return a->n_shares == 0 || (a->n_shares == a->n_members && sum > 0.0)
               ? ERR_OK
               : cfg_error(&x->reader, "attacker.shares",
                           "has %d element%s with the sum %g; expected one for each of the %d "
                           "attacker.members, and a sum above 0",
                           a->n_shares, a->n_shares == 1 ? "" : "s", sum, a->n_members);
}

/* Ten is the default: a resolved configuration contains all keys. */
static enum err check_turns(const struct experiment *x)
{
    const struct train_cfg *t = &x->cfg.train;
    return t->opponent == OPPONENT_ALTERNATING || t->opponent_updates == 10
               ? ERR_OK
               : cfg_error(&x->reader, "train.opponent_updates",
                           "has no effect unless train.opponent is alternating; set train.opponent "
                           "to alternating, or leave the key out");
}

/* Between two rounds the team plays on the simulator without its attacker, so the twin would be
 * refitted to other episodes than those that are trained on. */
static enum err build_attacker(struct experiment *x)
{
    TRY(check_policy(x));
    TRY(check_members(x));
    TRY(check_turns(x));
    if (x->cfg.train.opponent == OPPONENT_SCRIPTED) {
        return ERR_OK;
    }
    if (x->cfg.train.rounds > 1) {
        return cfg_error(&x->reader, "train.rounds",
                         "is %d, but a twin is refitted to episodes without a learned attacker; "
                         "set it to 1, or train.opponent to scripted",
                         x->cfg.train.rounds);
    }
    x->attacker = ARENA_NEW(&x->arena, 1, struct attacker_interface);
    TRY(arena_error(&x->arena));
    return attacker_interface_init(x->attacker, &x->arena, &x->cfg.attacker, &x->env_setup,
                                   &x->reader);
}

/* Builds what all commands need, and finds with that what a single row of a table cannot:
 * contradictions between rows. The twin is not read here; see experiment_load_twin(). */
static enum err build(struct experiment *x)
{
    const struct experiment_cfg *c = &x->cfg;
    const bool shielded = c->eval.shield || c->train.shield == TRAIN_SHIELD_MASK;
    const struct env_setup_cfg parts = {
        .topology = &c->topology,
        .plant = &c->plant,
        .workload = &c->workload,
        .cluster = &c->cluster,
        .twin = &c->twin,
        .shield = shielded ? &c->shield : NULL,
        .scenarios = c->scenarios,
        .n_scenarios = c->n_scenarios,
        .horizon = c->game.horizon,
    };
    TRY(env_setup_init(&x->env_setup, &x->arena, &parts, &x->reader));
    TRY(experiment_rules(&x->rules, &x->arena, c, &x->env_setup, &x->reader));
    TRY(experiment_method(&x->method, &x->arena, c, &x->rules, &x->reader));
    if (c->team.critic == CRITIC_PRIVILEGED) {
        TRY(privileged_check(&x->env_setup, &x->reader));
    }
    TRY(build_attacker(x));
    TRY(check_stages(x));
    TRY(eval_join_frontier(&x->cfg.eval, &x->arena));
    TRY(controller_cfg_check(c->eval.controllers, c->eval.n_controllers, &c->topology));
    TRY(check_group(x));
    TRY(check_learners_simulate(x));
    TRY(check_cost_keys(x));
    TRY(check_cost(x));
    TRY(check_coupling(x));
    if (c->train.init == INIT_CLONE) {
        TRY(controller_rule_check("train.clone.rule", &c->train.clone.rule, 0, &c->topology));
    }
    TRY(episode_check_warmup(c->eval.warmup_s, &x->env_setup));
    TRY(cfg_print_resolved(&x->resolved, experiment_fields, c, CFG_ALL));
    return buf_append(&x->resolved, "", 1);
}

/* A file that sets the organisation and nothing else is one of configs/organisations. As an
 * experiment it would train with the defaults of everything else, without a word. */
static enum err refuse_organisation(const struct experiment *x)
{
    bool others = false, organisation = false;
    for (const struct cfg_field *f = experiment_fields; f->name != NULL; f++) {
        const bool given = strcmp(cfg_where(&x->reader, f->name), "default") != 0;
        const bool is_it = strcmp(f->name, "organisation") == 0;
        organisation = organisation || (is_it && given);
        others = others || (!is_it && given);
    }
    if (others || !organisation) {
        return ERR_OK;
    }
    log_error("%s is an organisation, not an experiment: it sets no section but organisation. "
              "`karma org check %s` checks it; an experiment names it under include, as "
              "configs/experiments/ablation_multi_hard.yaml does",
              x->path, x->path);
    return ERR_CONFIG;
}

enum err experiment_load_sources(struct experiment *x, const struct cfg_source *sources,
                                 int n_sources, const char *const *sets, int n_sets)
{
    *x = (struct experiment){.path = sources[0].path};
    arena_init(&x->arena);
    buf_init(&x->resolved);
    cfg_init(&x->reader, experiment_fields, sizeof x->cfg, &x->arena);
    enum err e = cfg_load_sources(&x->reader, sources, n_sources, sets, n_sets, &x->cfg);
    if (e == ERR_OK) {
        e = refuse_organisation(x);
    }
    if (e == ERR_OK) {
        e = build(x);
    }
    if (e != ERR_OK) {
        experiment_release(x);
    }
    return e;
}

enum err experiment_load(struct experiment *x, const char *path, const char *const *sets,
                         int n_sets)
{
    const struct cfg_source source = {.path = path};
    return experiment_load_sources(x, &source, path != NULL ? 1 : 0, sets, n_sets);
}

enum err experiment_load_text(struct experiment *x, const char *name, const char *text)
{
    const struct cfg_source source = {.path = name, .text = text};
    return experiment_load_sources(x, &source, 1, NULL, 0);
}

/* Each word is quoted for a shell where it must be, so that the line can be pasted. */
const char *experiment_twin_commands(struct arena *arena, const char *file, const char *config)
{
    const char *store = arena_printf(arena, "%s.store", file);
    const char *store_word = store != NULL ? shell_word(arena, store) : NULL;
    const char *twin_word = shell_word(arena, file), *config_word = shell_word(arena, config);
    return arena_printf(arena,
                        "karma trace collect COLLECT --out %s, then karma twin fit %s --config %s "
                        "--out %s; COLLECT is a configuration whose controllers and scenarios the "
                        "twin is to know, for the quickstart configs/experiments/collect.yaml "
                        "(docs/twin.md)",
                        store_word, store_word, config_word, twin_word);
}

/* The first column in `wanted` (state_size) that the twin of a recording does not have; -1. */
static int first_unknown(const struct experiment *x, const uint8_t *wanted)
{
    const int n = state_size(x->env_setup.topology.n_services);
    for (int i = 0; i < n; i++) {
        if (wanted[i] != 0 && x->env_setup.unknown[i] != 0) {
            return i;
        }
    }
    return -1;
}

/* Columns that the rule reads which a training imitates. */
static void mark_rule(uint8_t *wanted, const struct experiment *x)
{
    const struct cfg_one *rule = &x->cfg.train.clone.rule.method;
    const struct controller_kind *kind = controller_kind_of(rule);
    if (x->cfg.train.init == INIT_CLONE && kind->reads != NULL) {
        kind->reads(wanted, rule->params, &x->env_setup.topology);
    }
}

/* What is read of a state, and the twin of a recording does not show. `wanted` grows from reader to
 * reader. Columns that were wanted before have passed, so the first unknown one is read by the
 * reader that was added last, whom the message names. */
static enum err check_reading(struct experiment *x)
{
    const char *const *names = experiment_features(x, &x->arena);
    uint8_t *wanted = ARENA_NEW(&x->arena, state_size(x->env_setup.topology.n_services), uint8_t);
    TRY(arena_error(&x->arena));
    mark_rule(wanted, x);
    int column = first_unknown(x, wanted);
    if (column >= 0) {
        return cfg_error(&x->reader, "train.init",
                         "imitates a rule that reads '%s', which the twin %s of a recording does "
                         "not have; set it to scratch",
                         names[column], x->cfg.twin.file);
    }
    if (x->method.kind->reads != NULL) {
        x->method.kind->reads(wanted, &x->method);
    }
    column = first_unknown(x, wanted);
    if (column >= 0) {
        return cfg_error(&x->reader, "method",
                         "%s reads '%s', which the twin %s of a recording does not have; train it "
                         "in another one, or on the simulator",
                         method_name(&x->method), names[column], x->cfg.twin.file);
    }
    if (x->rules.shield != NULL) {
        shield_reads(wanted, &x->env_setup.topology);
    }
    column = first_unknown(x, wanted);
    if (column >= 0) {
        return cfg_error(&x->reader, "train.shield",
                         "the shield reads '%s', which the twin %s of a recording does not have; "
                         "set it to none",
                         names[column], x->cfg.twin.file);
    }
    for (int a = 0; x->rules.guides != NULL && a < x->rules.guides->n_agents; a++) {
        guides_reads(wanted, x->rules.guides, a);
        column = first_unknown(x, wanted);
        if (column >= 0) {
            return cfg_error(&x->reader, "organisation",
                             "has the agent '%s', whose roles, norms or missions read '%s', which "
                             "the twin %s of a recording does not have; leave them out",
                             x->rules.guides->org.cfg->agents[a].name, names[column],
                             x->cfg.twin.file);
        }
    }
    return ERR_OK;
}

enum err experiment_load_twin(struct experiment *x)
{
    const char *file = x->cfg.twin.file;
    if (file[0] != '\0' && !file_exists(file)) {
        const char *commands = experiment_twin_commands(&x->arena, file, x->path);
        return cfg_error(&x->reader, "twin.file", "there is no file '%s'; make this twin with: %s",
                         file, commands != NULL ? commands : "karma twin fit");
    }
    TRY(env_setup_load_twin(&x->env_setup, &x->arena, &x->reader));
    if (x->cfg.team.critic == CRITIC_PRIVILEGED) {
        TRY(privileged_check(&x->env_setup, &x->reader));
    }
    if (x->attacker != NULL && x->env_setup.unknown != NULL) {
        return cfg_error(&x->reader, "train.opponent",
                         "lets an attacker learn in the twin %s of a recording, which has no exact "
                         "counters to pay it by; set it to scripted, or train on the simulator",
                         file);
    }
    return x->env_setup.unknown != NULL ? check_reading(x) : ERR_OK;
}

void experiment_release(struct experiment *x)
{
    buf_release(&x->resolved);
    arena_release(&x->arena);
}

const char *const *experiment_features(const struct experiment *x, struct arena *arena)
{
    return rules_columns(&x->rules, arena);
}
