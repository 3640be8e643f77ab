/* Reading policy files, and saying in words how they were made. See policies.h. */
#include "mpi/jobs/policies.h"

#include "core/base/file.h"
#include "core/base/frame.h"
#include "core/base/log.h"
#include "core/controllers/trained.h"
#include "core/methods/kinds.h"
#include "mpi/jobs/recipe.h"
#include "proto/weights.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The configuration that a policy carries; false if this program does not read it. What is wrong
 * with it is not logged: a configuration of another version is no mistake of the user. */
static bool read_config(struct experiment_cfg *cfg, struct cfg *reader, struct arena *arena,
                        const char *run, const char *text)
{
    cfg_init(reader, experiment_fields, sizeof *cfg, arena);
    const struct log_sink before = log_sink_now();
    log_set_sink(log_discard, NULL);
    const enum err e = cfg_load_text(reader, run, text, NULL, 0, cfg);
    log_set_sink(before.sink, before.ctx);
    return e == ERR_OK;
}

/* ---- loading ---- */

/* A policy file on its way to a team. */
struct loading {
    struct arena *arena;
    const struct experiment *x;
    const char *path;
    const struct recipe *recipe;
    struct arena *scratch;
    const void *payload;
    size_t n;
    const struct experiment_cfg *found; /* that it was trained with; NULL: unreadable */
    struct method *method;
};

/* "4 services: a, b, c, d"; NULL: no memory. */
static const char *list_services(struct arena *arena, const struct topology_cfg *t)
{
    const char *list =
        arena_printf(arena, "%d service%s: ", t->n_services, t->n_services == 1 ? "" : "s");
    for (int i = 0; list != NULL && i < t->n_services; i++) {
        list = arena_printf(arena, "%s%s%s", list, i > 0 ? ", " : "", t->services[i].name);
    }
    return list;
}

/* A policy may be played on another topology than that of its training: with other calls, other
 * capacities, another node. The services must be the same ones, in the same order, because columns
 * and choices are theirs. */
static enum err check_services(struct loading *l, const struct experiment_cfg *trained)
{
    const struct topology_cfg *a = &trained->topology, *b = &l->x->cfg.topology;
    bool same = a->n_services == b->n_services;
    for (int i = 0; same && i < a->n_services; i++) {
        same = strcmp(a->services[i].name, b->services[i].name) == 0;
    }
    if (same) {
        return ERR_OK;
    }
    const char *found = list_services(l->arena, a), *here = list_services(l->arena, b);
    TRY(arena_error(l->arena));
    log_error("%s: the policy was trained for %s, and this topology has %s; a policy can be played "
              "on another topology only if that has the same services in the same order: choose "
              "such a topology, or train a policy for this one",
              l->path, found, here);
    return ERR_MISMATCH;
}

/* The limits that a policy was trained under, on the cluster of this experiment and within its
 * step bound. */
static enum err own_shield(struct rules *rules, struct loading *l, const struct experiment_cfg *c,
                           const struct cfg *src_locs)
{
    struct shield *shield = ARENA_NEW(l->arena, 1, struct shield);
    TRY(arena_error(l->arena));
    const enum err e = shield_init(shield, l->arena, &c->shield, &l->x->env_setup.topology,
                                   l->x->env_setup.cfg.plant, src_locs);
    if (e == ERR_CONFIG) {
        log_error(
            "%s: trained with train.shield=mask, so it is played under these limits; leave it "
            "out, or play it on a cluster that they fit",
            l->path);
    }
    TRY(e);
    shield_bound_steps(shield, l->x->cfg.eval.step_bound);
    rules->shield = shield;
    return ERR_OK;
}

/* The method with its interface, and a learner of the right shape. */
static enum err prepare_team(struct loading *l, struct policy_source *source)
{
    struct experiment_cfg *cfg = ARENA_NEW(l->arena, 1, struct experiment_cfg);
    struct cfg *reader = ARENA_NEW(l->arena, 1, struct cfg);
    struct rules *rules = ARENA_NEW(l->arena, 1, struct rules);
    l->method = ARENA_NEW(l->arena, 1, struct method);
    TRY(arena_error(l->arena));
    TRY(codec_get_policy_config(&source->config, l->payload, l->n, l->path, l->arena));
    const bool own = read_config(cfg, reader, l->arena, source->run, source->config);
    if (!own) {
        log_warn("%s: the configuration in it is of another version of this program; it is played "
                 "with the game of this experiment",
                 l->path);
    }
    l->found = own ? cfg : NULL;
    const struct experiment_cfg *c = own ? cfg : &l->x->cfg;
    TRY(check_services(l, c));
    const struct cfg *src_locs = own ? reader : &l->x->reader;
    TRY(experiment_rules(rules, l->arena, c, &l->x->env_setup, src_locs));
    if (c->train.shield == TRAIN_SHIELD_MASK) {
        TRY(own_shield(rules, l, c, src_locs));
    }
    return experiment_method(l->method, l->arena, c, rules, src_locs);
}

/* The configuration comes first, as it says which shape the weights must have. The names of
 * the columns are compared by codec_get_policy(), so a policy never reads a column that it was
 * not trained with. */
static enum err decode(struct trained_team *team, struct policy_source *source, struct loading *l,
                       const struct buf *bytes)
{
    struct policy_meta meta = {0};
    struct frame_reader reader;
    struct frame f;
    frame_reader_init(&reader, bytes->data, bytes->len, l->path);
    TRY(frame_expect(&reader, &f, FRAME_POLICY, CODEC_POLICY_VERSION));
    l->payload = f.payload;
    l->n = f.n;
    TRY(prepare_team(l, source));
    team->interface = l->method->interface;
    TRY(method_learner(&team->learner, l->arena, l->method, 0, false, 0, l->scratch));
    meta.features = l->method->columns;
    TRY(codec_get_policy(team->learner->w, team->interface->spec, &meta, f.payload, f.n, l->path,
                         l->arena));
    learner_refresh(team->learner);
    source->seed = meta.seed;
    source->digest = meta.digest;
    source->method = l->method;
    return recipe_check(l->recipe, l->found, meta.seed, l->arena);
}

static enum err load_one(struct trained_team *team, struct policy_source *source,
                         struct arena *arena, const struct recipe *recipe)
{
    struct arena scratch;
    struct loading l = {.arena = arena,
                        .scratch = &scratch,
                        .x = recipe->x,
                        .recipe = recipe,
                        .path = file_join(arena, source->run, "policy/weights.bin")};
    struct buf bytes;
    TRY(arena_error(arena));
    if (!file_exists(l.path)) {
        recipe_missing(recipe, l.path, arena);
        return ERR_IO;
    }
    buf_init(&bytes);
    arena_init(&scratch);
    enum err e = file_read(&bytes, l.path, FRAME_BYTES_MAX);
    if (e == ERR_OK) {
        e = decode(team, source, &l, &bytes);
    }
    arena_release(&scratch);
    buf_release(&bytes);
    return e;
}

/* A policy that was told the cost weight is told one that it has met; another one cannot be. */
static enum err check_cost(const struct experiment *x, int c, const struct method *method,
                           const char *run)
{
    const struct trained_cfg *cfg = controller_trained(&x->cfg.eval.controllers[c]);
    const struct cost_law *law = &method->setup.rules->cost;
    const double weight = trained_cost(cfg, &x->cfg.plant);
    const char *kind = controller_kind(&x->cfg.eval.controllers[c])->cfg.name;
    char key[CFG_KEY_MAX];
    (void)snprintf(key, sizeof key, "%s.%s.cost", eval_key_of(&x->cfg.eval, c).text, kind);
    if (law->kind != COST_CONDITIONED && cfg->cost >= 0.0) {
        return cfg_error(&x->reader, key,
                         "is %g, but the policy of %s was trained for one cost weight (%g) and is "
                         "told none; leave it out, or train with train.cost: conditioned",
                         cfg->cost, run, law->weight);
    }
    if (law->kind == COST_CONDITIONED && !cost_law_covers(law, weight)) {
        return cfg_error(&x->reader, key,
                         "is %g%s, and the policy of %s was trained for cost weights from %g to "
                         "%g; give one of these",
                         weight, cfg->cost < 0.0 ? " (plant.cost_weight)" : "", run, law->lo,
                         law->hi);
    }
    return ERR_OK;
}

const char *policies_run(struct arena *arena, const char *config_path, const char *run)
{
    const char *slash = strrchr(config_path, '/');
    if ((strncmp(run, "./", 2) != 0 && strncmp(run, "../", 3) != 0) || slash == NULL) {
        return run;
    }
    const char *beside =
        arena_printf(arena, "%.*s/%s", (int)(slash - config_path), config_path, run);
    return beside != NULL && file_exists(run) && !file_exists(beside) ? run : beside;
}

/* A controller that names no policy plays the one of the experiment's own run. */
static enum err load_controller(struct policies *p, struct arena *arena, const struct experiment *x,
                                int c, const char *config_path)
{
    const struct trained_cfg *cfg = controller_trained(&p->cfg->controllers[c]);
    const int n = cfg->n_policies > 0 ? cfg->n_policies : 1;
    struct trained_team *teams = ARENA_NEW(arena, n, struct trained_team);
    p->sources[c] = ARENA_NEW(arena, n, struct policy_source);
    TRY(arena_error(arena));
    for (int i = 0; i < n; i++) {
        p->sources[c][i].run = cfg->n_policies > 0
                                   ? policies_run(arena, config_path, cfg->policies[i])
                                   : x->cfg.run.dir;
        TRY(arena_error(arena));
        const struct recipe recipe = {.x = x,
                                      .config_path = config_path,
                                      .controller = c,
                                      .policy = i,
                                      .run = p->sources[c][i].run};
        TRY(load_one(&teams[i], &p->sources[c][i], arena, &recipe));
        TRY(check_cost(x, c, p->sources[c][i].method, recipe.run));
    }
    p->teams[c] = (struct eval_teams){.teams = teams, .n_teams = n};
    return ERR_OK;
}

enum err policies_load(struct policies *p, struct arena *arena, const struct experiment *x,
                       int only, const char *path)
{
    const struct eval_cfg *cfg = &x->cfg.eval;
    *p = (struct policies){.cfg = cfg,
                           .teams = ARENA_NEW(arena, cfg->n_controllers, struct eval_teams),
                           .sources = ARENA_NEW(arena, cfg->n_controllers, struct policy_source *)};
    TRY(arena_error(arena));
    for (int c = 0; c < cfg->n_controllers; c++) {
        const bool wanted = only == POLICIES_ALL || only == c;
        TRY(recipe_check_keys(x, c));
        if (wanted && controller_needs(&cfg->controllers[c], CONTROLLER_NEEDS_POLICY)) {
            TRY(load_controller(p, arena, x, c, path));
        }
    }
    return ERR_OK;
}

/* ---- the configuration alone ---- */

static enum err config_of(struct experiment_cfg *cfg, struct arena *arena, const char *run,
                          const char *path, const struct buf *bytes)
{
    struct cfg *reader = ARENA_NEW(arena, 1, struct cfg);
    struct frame_reader frames;
    struct frame f;
    const char *text;
    TRY(arena_error(arena));
    frame_reader_init(&frames, bytes->data, bytes->len, path);
    TRY(frame_expect(&frames, &f, FRAME_POLICY, CODEC_POLICY_VERSION));
    TRY(codec_get_policy_config(&text, f.payload, f.n, path, arena));
    if (!read_config(cfg, reader, arena, run, text)) {
        log_error("%s: the configuration in it is of another version of this program; use that "
                  "version, or train the policy again",
                  path);
        return ERR_VERSION;
    }
    return ERR_OK;
}

enum err policies_config(struct experiment_cfg *cfg, struct arena *arena, const char *run)
{
    const char *path = file_join(arena, run, "policy/weights.bin");
    struct buf bytes;
    TRY(arena_error(arena));
    if (!file_exists(path)) {
        log_error("there is no policy %s; give the directory of a run that `karma train` has "
                  "finished",
                  path);
        return ERR_IO;
    }
    buf_init(&bytes);
    enum err e = file_read(&bytes, path, FRAME_BYTES_MAX);
    if (e == ERR_OK) {
        e = config_of(cfg, arena, run, path, &bytes);
    }
    buf_release(&bytes);
    return e;
}

/* ---- words ---- */

/* "from scratch, 160 updates of 6400 env-steps, organisation hard"; a method other than KARMA's own
 * comes first, "by gym_hpa from scratch". A policy of an older program
 * may have a configuration that this one does not read; then nothing is claimed. */
static const char *describe_training(struct arena *arena, const struct policy_source *s)
{
    struct experiment_cfg cfg;
    struct cfg reader;
    if (!read_config(&cfg, &reader, arena, s->run, s->config)) {
        return "by another version of this program";
    }
    const struct train_cfg *t = &cfg.train;
    const struct method_kind *method = method_kind_of(&cfg.method);
    const char *roles = "", *start = "from scratch", *cost = "", *by = "";
    if (method != &method_karma) {
        by = arena_printf(arena, "by %s ", method->cfg.name);
    }
    if (t->init == INIT_CLONE) {
        start = arena_printf(arena, "after cloning the %s rule", t->clone.rule.method.kind->name);
    }
    if (cfg.organisation.n_agents > 0) {
        roles = arena_printf(arena, ", organisation %s", cfg.organisation.name);
    }
    if (t->cost == COST_CONDITIONED) {
        cost = arena_printf(arena, ", told the cost weight (%g to %g)", t->cost_range[0],
                            t->cost_range[1]);
    }
    return arena_printf(arena, "%s%s, %d updates of %d env-steps%s%s", by, start, t->updates,
                        t->envs * t->steps, roles, cost);
}

const char *policies_describe(const struct policies *p, struct arena *arena, int c)
{
    const struct controller_cfg *cfg = &p->cfg->controllers[c];
    const struct controller_kind *kind = controller_kind(cfg);
    const int n = p->teams[c].n_teams;
    if (n == 0) {
        return NULL;
    }
    const char *text =
        arena_printf(arena, "%s: %s; trained %s; training seed%s", controller_label(cfg),
                     kind->manner != NULL ? kind->manner(cfg->method.params) : "as trained",
                     describe_training(arena, &p->sources[c][0]), n == 1 ? "" : "s");
    for (int i = 0; i < n && text != NULL; i++) {
        text = arena_printf(arena, "%s %" PRIu64, text, p->sources[c][i].seed);
    }
    return text;
}
