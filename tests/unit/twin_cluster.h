/* Traces of the simulator at the size of configs/experiments/tiny.yaml, and a twin fitted to them.
 */
#ifndef KARMA_TESTS_TWIN_CLUSTER_H
#define KARMA_TESTS_TWIN_CLUSTER_H

#include "core/eval/collector.h"
#include "core/plant/schema.h"
#include "core/twin/twin.h"
#include "mpi/jobs/experiment.h"
#include "tests/unit/controller_text.h"
#include "tests/unit/twin_fixture.h"

enum { CLUSTER_EPISODES = 40, CLUSTER_HORIZON = 16 };

struct twin_cluster {
    struct twin_fixture w;
    struct experiment x;
    struct store_header header;
    const char *key;
};

/* As `karma trace collect` writes it into a header. */
static inline const char *cluster_topology(struct twin_cluster *c)
{
    struct buf yaml;
    buf_init(&yaml);
    OK(cfg_print_resolved(&yaml, topology_fields, &c->x.cfg.topology, CFG_ALL));
    const char *text = arena_printf(&c->x.arena, "%.*s", (int)yaml.len, (const char *)yaml.data);
    buf_release(&yaml);
    assert_non_null(text);
    return text;
}

static inline struct store_header cluster_header(struct twin_cluster *c)
{
    struct arena *arena = &c->x.arena;
    const int n = c->x.env_setup.topology.n_services;
    const char **services = ARENA_NEW(arena, n, const char *);
    const char **units = ARENA_NEW(arena, state_size(n), const char *);
    for (int i = 0; i < n; i++) {
        services[i] = c->x.cfg.topology.services[i].name;
    }
    for (int i = 0; i < state_size(n); i++) {
        units[i] = "";
    }
    struct store_header h =
        store_fixture_header(services, n, experiment_features(&c->x, arena), units, state_size(n),
                             plant_truth_names, PLANT_TRUTHS);
    h.plant = "cluster";
    h.topology = cluster_topology(c);
    h.period_s = c->x.cfg.plant.period_s;
    h.split_seed = 1;
    h.validation = 0.3;
    h.held_out = 0.1;
    return h;
}

/* Plays episode `number` under `rule`, and puts it into the store. */
static inline void cluster_episode(struct twin_cluster *c, struct store_writer *out,
                                   struct episode *episode, struct collector *collector,
                                   struct controller *rule, int number)
{
    const struct episode_observer observer = collector_observer(collector);
    const int scenario = number % c->x.cfg.n_scenarios;
    const struct episode_id id = {.seed = 9, .split = RNG_TRAIN, .episode = (uint32_t)number};
    struct episode_metrics metrics;
    struct store_episode e = {.controller = "explore",
                              .scenario = c->x.cfg.scenarios[scenario].name,
                              .seed = id.seed,
                              .episode = id.episode};
    OK(episode_run(episode, &metrics, rule, scenario, &id, &observer));
    collector_fill(&e, collector);
    OK(store_fixture_put(out, &c->header, &e));
}

static inline void cluster_collect(struct twin_cluster *c)
{
    const struct controller_cfg rule = controller_text(
        &c->x.arena, "explore: {random: 0.1, rule: {khpa: {target: 0.5, down_s: 0}}}");
    struct episode episode;
    struct collector collector;
    struct controller *controller;
    struct store_writer out;
    OK(episode_init(&episode, &c->x.arena, &c->x.env_setup));
    OK(collector_init(&collector, &c->x.arena, &c->x.env_setup, &episode.schedule));
    OK(controller_new(&controller, &c->x.arena, &rule, &c->x.env_setup, &c->x.rules, NULL));
    OK(store_create(&out, c->w.traces, &c->header));
    for (int i = 0; i < CLUSTER_EPISODES; i++) {
        cluster_episode(c, &out, &episode, &collector, controller, i);
    }
    OK(store_finish(&out));
}

/* The system of tiny.yaml, traces of it, and a twin of three networks on the disk. */
static inline int twin_cluster_open(struct twin_cluster *c)
{
    *c = (struct twin_cluster){.key = "desired"};
    if (twin_fixture_open(&c->w) != 0 ||
        experiment_load(&c->x, "configs/experiments/tiny.yaml", NULL, 0) != ERR_OK) {
        return -1;
    }
    c->header = cluster_header(c);
    c->w.hidden[0] = c->w.hidden[1] = 16;
    c->w.fit.members = 3;
    c->w.use.key = &c->key;
    c->w.use.n_key = 1;
    c->w.use.quantum = 100.0; /* loads are all alike: the table must answer sometimes */
    cluster_collect(c);
    twin_fixture_save(&c->w);
    return 0;
}

static inline int twin_cluster_close(struct twin_cluster *c)
{
    experiment_release(&c->x);
    return twin_fixture_close(&c->w);
}

#endif
