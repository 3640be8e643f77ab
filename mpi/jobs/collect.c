/* Who plays stands in the configuration, what happened in the collector. See collect.h.
 *
 * Recovery: rank 0 appends episodes in the order of jobs, and store_append() cuts off a torn one,
 * so what is in the file is a prefix of the list: episode i is job i. A collection that goes on
 * verifies that and gives the farm the jobs from n_kept on. */
#include "mpi/jobs/collect.h"

#include "core/base/log.h"
#include "core/eval/collector.h"
#include "core/trace/store.h"
#include "mpi/comm/farm.h"
#include "mpi/comm/locking.h"
#include "mpi/comm/stop.h"
#include "mpi/jobs/cell_digest.h"
#include "mpi/jobs/policies.h"

#include "core/plant/schema.h"

#include <inttypes.h>
#include <string.h>

/* One controller, with one trained team if it is learned. */
struct arm {
    int controller;
    const struct policy_source *source; /* NULL for rules */
    struct controller *instance;
    const uint64_t *cell_digest; /* (n_scenarios) */
};

struct collect {
    struct comm *comm;
    const struct experiment *x;
    const struct collect_cfg *cfg;
    struct arena arena;
    struct policies policies;
    struct store_header header;
    struct arm *arms;
    int n_arms;
    struct episode episode;
    struct collector collector;
    struct store_writer writer; /* rank 0 */
    struct lock lock;           /* of the store, rank 0's */
    int n_jobs, n_kept;         /* n_kept: episodes that were there */
};

/* ---- the header ---- */

/* What makes two stores one plant: all that decides what happens, but who plays. What a decision
 * may change, and what its outcome is worth to a team or an attacker, are no part of it: a team
 * that was trained for one price of CPU adds transitions to traces that rules left under
 * another. */
struct plant_of {
    struct topology_cfg topology;
    struct plant_cfg plant;
    struct cluster_cfg cluster;
    struct workload_cfg workload;
};
static const struct cfg_field plant_of_fields[] = {
    CFG_TABLE(struct plant_of, topology, topology_fields, ""),
    CFG_TABLE(struct plant_of, plant, plant_fields, ""),
    CFG_TABLE(struct plant_of, cluster, cluster_fields, ""),
    CFG_TABLE(struct plant_of, workload, workload_fields, ""), CFG_END};

/* The keys of `plant` that decide what happens; the others have their defaults. */
static enum err without_worth(struct plant_cfg *plant, struct arena *arena)
{
    struct cfg reader;
    struct plant_cfg defaults;
    cfg_init(&reader, plant_fields, sizeof defaults, arena);
    TRY(cfg_load_text(&reader, "defaults", "", NULL, 0, &defaults));
    plant->alpha = defaults.alpha;
    plant->cost_weight = defaults.cost_weight;
    plant->attack_requests = defaults.attack_requests;
    plant->attack_crashes = defaults.attack_crashes;
    plant->attack_cap = defaults.attack_cap;
    plant->headroom_target = defaults.headroom_target;
    plant->reward = defaults.reward;
    plant->reward_from = defaults.reward_from;
    plant->reward_terms = defaults.reward_terms;
    plant->n_reward_terms = defaults.n_reward_terms;
    return ERR_OK;
}

/* In digits; empty when out of memory. */
static const char *twin_digest(struct collect *c)
{
    const char *digits = arena_printf(&c->arena, "%016" PRIx64, c->x->env_setup.twin->digest);
    return digits != NULL ? digits : "";
}

static enum err describe_plant(struct store_header *h, struct collect *c)
{
    const struct experiment_cfg *cfg = &c->x->cfg;
    const bool in_twin = cfg->eval.plant == PLANT_KIND_TWIN;
    struct plant_of p = {.topology = cfg->topology,
                         .plant = cfg->plant,
                         .cluster = cfg->cluster,
                         .workload = cfg->workload};
    uint64_t digest;
    struct buf yaml;
    TRY(without_worth(&p.plant, &c->arena));
    TRY(cfg_digest(&digest, plant_of_fields, &p, experiment_hash_file, NULL));
    h->origin = arena_printf(
        &c->arena, "karma trace collect: %s%s, configuration %016" PRIx64 ", TRAIN episodes",
        in_twin ? "twin of digest " : "simulated cluster", in_twin ? twin_digest(c) : "", digest);
    buf_init(&yaml);
    enum err e = cfg_print_resolved(&yaml, topology_fields, &cfg->topology, CFG_ALL);
    if (e == ERR_OK) {
        h->topology = arena_printf(&c->arena, "%.*s", (int)yaml.len, (const char *)yaml.data);
        e = arena_error(&c->arena);
    }
    buf_release(&yaml);
    return e;
}

/* Columns and units stand in the order of the state: the features of each service, then
 * the global ones. */
static enum err make_header(struct collect *c)
{
    const struct topology_cfg *topology = &c->x->cfg.topology;
    const int n = topology->n_services, n_state = state_size(n);
    const char **services = ARENA_NEW(&c->arena, n, const char *);
    const char **units = ARENA_NEW(&c->arena, n_state, const char *);
    struct store_header h = {.plant = c->episode.plant->ops->kind,
                             .licence = c->cfg->licence,
                             .services = services,
                             .columns = experiment_features(c->x, &c->arena),
                             .units = units,
                             .truths = plant_truth_names,
                             .n_services = n,
                             .n_columns = n_state,
                             .n_truths = PLANT_TRUTHS,
                             .period_s = c->x->cfg.plant.period_s,
                             .split_seed = c->cfg->split_seed,
                             .validation = c->cfg->validation,
                             .held_out = c->cfg->held_out};
    TRY(arena_error(&c->arena));
    for (int s = 0; s < n; s++) {
        services[s] = topology->services[s].name;
        for (int f = 0; f < SERVICE_FEATURES; f++) {
            units[state_service_at(s, (enum service_feature)f)] = service_feature_info[f].unit;
        }
    }
    for (int f = 0; f < GLOBAL_FEATURES; f++) {
        units[state_global_at(n, (enum global_feature)f)] = global_feature_info[f].unit;
    }
    TRY(describe_plant(&h, c));
    c->header = h;
    return ERR_OK;
}

/* ---- who plays ---- */

/* A rule is one arm; a learned controller is one arm for each of its policies. */
static enum err add_arms(struct collect *c, int controller)
{
    const struct experiment_cfg *cfg = &c->x->cfg;
    const struct eval_teams *teams = &c->policies.teams[controller];
    const bool learned = teams->n_teams > 0;
    uint64_t *settings = ARENA_NEW(&c->arena, cfg->n_scenarios, uint64_t);
    TRY(arena_error(&c->arena));
    for (int s = 0; s < cfg->n_scenarios; s++) {
        TRY(cell_digest(&settings[s], cfg, controller, s));
    }
    for (int t = 0; t < (learned ? teams->n_teams : 1); t++) {
        struct arm *arm = &c->arms[c->n_arms++];
        *arm = (struct arm){.controller = controller,
                            .source = learned ? &c->policies.sources[controller][t] : NULL,
                            .cell_digest = settings};
        TRY(controller_new(&arm->instance, &c->arena, &cfg->eval.controllers[controller],
                           &c->x->env_setup, &c->x->rules, learned ? &teams->teams[t] : NULL));
    }
    return ERR_OK;
}

static enum err init(struct collect *c, const char *config_path)
{
    const struct eval_cfg *eval = &c->x->cfg.eval;
    int n_arms = 0;
    TRY(policies_load(&c->policies, &c->arena, c->x, POLICIES_ALL, config_path));
    for (int i = 0; i < eval->n_controllers; i++) {
        const int n_teams = c->policies.teams[i].n_teams;
        n_arms += n_teams > 0 ? n_teams : 1;
    }
    c->arms = ARENA_NEW(&c->arena, n_arms, struct arm);
    TRY(arena_error(&c->arena));
    for (int i = 0; i < eval->n_controllers; i++) {
        TRY(add_arms(c, i));
    }
    c->n_jobs = c->n_arms * c->x->cfg.n_scenarios * eval->episodes;
    TRY(episode_init_on(&c->episode, &c->arena, &c->x->env_setup, (enum plant_kind)eval->plant));
    TRY(make_header(c));
    return collector_init(&c->collector, &c->arena, &c->x->env_setup, &c->episode.schedule);
}

/* What job i plays. */
struct part {
    const struct arm *arm;
    int scenario;
    uint32_t number;
};

/* i = (arm * n_scenarios + scenario) * episodes + number - first. */
static struct part part_of(const struct collect *c, int i)
{
    const int episodes = c->x->cfg.eval.episodes, n_scenarios = c->x->cfg.n_scenarios;
    return (struct part){.arm = &c->arms[i / (episodes * n_scenarios)],
                         .scenario = i / episodes % n_scenarios,
                         .number = (uint32_t)(c->x->cfg.eval.first + i % episodes)};
}

/* All that decides the bytes of an episode: equal identities are equal episodes. */
static struct store_episode identity_of(const struct collect *c, const struct part *p)
{
    const struct experiment_cfg *cfg = &c->x->cfg;
    return (struct store_episode){.controller =
                                      controller_label(&cfg->eval.controllers[p->arm->controller]),
                                  .policy = p->arm->source != NULL ? p->arm->source->digest : 0,
                                  .scenario = cfg->scenarios[p->scenario].name,
                                  .seed = cfg->eval.seed,
                                  .episode = p->number,
                                  .cell_digest = p->arm->cell_digest[p->scenario]};
}

/* ---- what is there ---- */

/* Compares each episode of the file with the job of its index. `want` stays empty for an index
 * behind the last job, where any episode is one too many. The memory of one episode is given back
 * before the next one is read. */
static enum err check_kept(struct collect *c)
{
    struct store s;
    struct arena scratch;
    arena_init(&scratch);
    enum err e = store_open(&s, &scratch, c->cfg->path);
    if (e != ERR_OK) {
        arena_release(&scratch);
        return e;
    }
    for (int i = 0; e == ERR_OK && i < s.n_episodes; i++) {
        struct store_episode found, want = {0};
        const struct arena_mark mark = arena_mark(&scratch);
        e = store_read(&found, &s, i, &scratch);
        if (e == ERR_OK && i < c->n_jobs) {
            const struct part p = part_of(c, i);
            want = identity_of(c, &p);
        }
        if (e == ERR_OK &&
            (i >= c->n_jobs || strcmp(found.controller, want.controller) != 0 ||
             strcmp(found.scenario, want.scenario) != 0 || found.policy != want.policy ||
             found.seed != want.seed || found.episode != want.episode ||
             found.cell_digest != want.cell_digest)) {
            log_error("%s: episode %d (%s, %s, number %" PRIu32 ") is not of this collection; give "
                      "--out another name, and join the two with karma trace merge",
                      c->cfg->path, i, found.controller, found.scenario, found.episode);
            e = ERR_MISMATCH;
        }
        arena_rewind(&scratch, mark);
    }
    store_close(&s);
    arena_release(&scratch);
    return e;
}

static enum err open_store(struct collect *c)
{
    if (!file_exists(c->cfg->path)) {
        TRY(file_make_parents(c->cfg->path));
        return store_create(&c->writer, c->cfg->path, &c->header);
    }
    TRY(store_append(&c->writer, &c->n_kept, c->cfg->path, &c->header));
    TRY(check_kept(c));
    log_info("%s has %d of %d episodes", c->cfg->path, c->n_kept, c->n_jobs);
    return ERR_OK;
}

/* Rank 0's count to all. All ranks need it, because job k of the farm is episode n_kept + k. */
static enum err share_kept(struct collect *c)
{
    struct buf b;
    buf_init(&b);
    enum err e = comm_agree(
        c->comm, c->comm->rank == 0 ? buf_append(&b, &c->n_kept, sizeof c->n_kept) : ERR_OK);
    if (e == ERR_OK) {
        e = comm_bcast(c->comm, 0, &b);
    }
    if (e == ERR_OK) {
        CHECK(b.len == sizeof c->n_kept);
        memcpy(&c->n_kept, b.data, sizeof c->n_kept);
    }
    buf_release(&b);
    return e;
}

/* ---- the farm ---- */

/* Everything random is drawn by (seed, TRAIN, number of the episode), so the record does not depend
 * on the rank or on what the rank has played before. */
static enum err run_job(void *ctx, int k, struct buf *out)
{
    struct collect *c = ctx;
    const struct part p = part_of(c, c->n_kept + k);
    const struct episode_id id = {.seed = c->x->cfg.eval.seed, .split = RNG_TRAIN, .env = p.number};
    const struct episode_observer observer = collector_observer(&c->collector);
    struct episode_metrics m;
    TRY(episode_run(&c->episode, &m, p.arm->instance, p.scenario, &id, &observer));
    struct store_episode e = identity_of(c, &p);
    collector_fill(&e, &c->collector);
    return codec_put_episode(out, &e, &c->header);
}

/* Called in the order of k. A process that was suspended may have lost the lock to another one,
 * which would append to the same file. */
static enum err take_job(void *ctx, int k, const void *record, size_t bytes)
{
    struct collect *c = ctx;
    (void)k;
    TRY(lock_confirm(&c->lock));
    return store_put(&c->writer, record, bytes);
}

/* Everything that can be refused without a file is refused in init(); the lock comes before
 * the first write. */
static enum err collect(struct collect *c, const char *config_path)
{
    const bool root = c->comm->rank == 0;
    TRY(comm_agree(c->comm, init(c, config_path)));
    TRY((c->cfg->in_locked_dir ? locking_guest_file : locking_file)(
        &c->lock, c->comm, c->cfg->path, "karma trace collect", "--out FILE"));
    TRY(comm_agree(c->comm, root ? open_store(c) : ERR_OK));
    TRY(share_kept(c));
    const struct job_list jobs = {.n = c->n_jobs - c->n_kept,
                                  .ctx = c,
                                  .what = "collect",
                                  .run = run_job,
                                  .take = take_job,
                                  .stop = stop_of_jobs};
    const enum err e = farm_run(c->comm, &jobs);
    if (root && e == ERR_STOPPED) {
        log_info("stopped on request; to go on: %s", stop_command());
    }
    return e;
}

enum err collect_run(struct comm *comm, const struct experiment *x, const char *config_path,
                     const struct collect_cfg *cfg)
{
    struct collect c = {.comm = comm, .x = x, .cfg = cfg, .writer = {.fd = -1}, .lock = {.fd = -1}};
    arena_init(&c.arena);
    enum err e = collect(&c, config_path);
    const enum err finished = store_finish(&c.writer);
    e = e == ERR_OK ? finished : e;
    locking_end(&c.lock);
    arena_release(&c.arena);
    return comm_agree(comm, e);
}
