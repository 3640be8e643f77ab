/* A whole training over MPI with the quickstart's settings: speed, bytes on the wire, time in MPI.
 *
 * RUN: np=2,3
 *
 * Three ranks: one learns, two simulate. Two ranks (and one): each does both. The run starts from
 * random weights, so only PPO updates are measured: a training with no update is subtracted from
 * one with UPDATES of them, and what remains are just those updates.
 *
 * Time in MPI is the time inside the waits of mpi/comm/comm.h. Most of it is waiting for another
 * rank to finish computing, not for bytes to travel. To tell the two apart the messages of one
 * update are played again with every rank ready and nobody computing: encoding, sending, decoding
 * and checking of all blocks, all gradient sums between learners, the broadcast of the weights.
 * That is the cost of communication if none of it were hidden behind computation. Blocks must
 * arrive bit by bit and all ranks must hold equal weights, or nothing is printed.
 */
#include "core/game/game.h"
#include "core/marl/mappo_learner.h"
#include "core/marl/rollout.h"
#include "mpi/comm/exchange.h"
#include "mpi/jobs/attacked.h"
#include "mpi/jobs/experiment.h"
#include "mpi/train/train.h"
#include "tests/bench/bench_ranks.h"

#include <errno.h>

enum { UPDATES = 6, ROUNDS = 21 };
static const char config[] = "configs/experiments/warm_start_cluster.yaml";

/* What one rank spent. */
struct usage {
    double seconds, waited_s;
    double bytes; /* handed to MPI, a broadcast once */
};

struct bench {
    struct comm c;
    struct experiment x, attacked; /* attacked: the same with an attacker of the same layers */
    struct bench_options options;
    int updates, rounds;
    struct usage *usage; /* (size) of the updates, on rank 0 */
    double both_s;       /* the same updates with both teams */

    /* the replay */
    struct arena arena, scratch;
    struct owners owners;
    struct team team;
    struct mappo_learner player;
    struct learner *learners[1];
    struct exchange exchange;
    struct block sample;  /* one tile's block, the same on all ranks */
    struct block *blocks; /* (n_learn) received */
    int n_learn;
};

/* ---- training ---- */

static void remove_run(const struct bench *b, const char *dir)
{
    char command[600];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    if (b->c.rank == 0 && system(command) != 0) {
        fprintf(stderr, "%s: failed\n", command);
    }
}

/* Collective. */
static enum err train(struct bench *b, struct experiment *x, int updates, struct usage *out)
{
    char dir[512];
    snprintf(dir, sizeof dir, "%s.run%d", program_invocation_name, b->c.size);
    struct attacked sources;
    struct train_setup setup = {.run_dir = dir, .config = (const char *)x->resolved.data};
    const struct train_options none = {0};
    uint64_t digest;
    x->cfg.train.updates = updates;
    TRY(comm_agree(&b->c, attacked_setup(&setup, &sources, x)));
    remove_run(b, dir);
    TRY(comm_barrier(&b->c));
    *out = (struct usage){-clock_s(), -b->c.wait_seconds, -(double)b->c.bytes_sent};
    TRY(train_run(&b->c, &digest, &setup, &none));
    TRY(comm_barrier(&b->c));
    out->seconds += clock_s();
    out->waited_s += b->c.wait_seconds;
    out->bytes += (double)b->c.bytes_sent;
    remove_run(b, dir);
    return ERR_OK;
}

/* Collective. Everybody's usage to rank 0. */
static enum err gather(struct bench *b, const struct usage *mine)
{
    struct buf m;
    buf_init(&m);
    b->usage[0] = *mine;
    if (b->c.rank != 0) {
        TRY(buf_append(&m, mine, sizeof *mine));
        TRY(comm_send(&b->c, 0, COMM_TAG_TEST, &m));
        return comm_flush(&b->c);
    }
    for (int rank = 1; rank < b->c.size; rank++) {
        TRY(comm_recv(&b->c, rank, COMM_TAG_TEST, &m, NULL));
        CHECK(m.len == sizeof *mine);
        memcpy(&b->usage[rank], m.data, sizeof *mine);
    }
    buf_release(&m);
    return ERR_OK;
}

static enum err measure_training(struct bench *b)
{
    struct usage start, whole;
    b->usage = ARENA_NEW(&b->arena, b->c.size, struct usage);
    TRY(arena_error(&b->arena));
    TRY(train(b, &b->attacked, 0, &start));
    TRY(train(b, &b->attacked, b->updates, &whole));
    b->both_s = whole.seconds - start.seconds;
    TRY(train(b, &b->x, 0, &start));
    TRY(train(b, &b->x, b->updates, &whole));
    const struct usage updates = {whole.seconds - start.seconds, whole.waited_s - start.waited_s,
                                  whole.bytes - start.bytes};
    return gather(b, &updates);
}

/* ---- replay ---- */

/* One rollout of tile 0: a function of the seed, so the same on every rank. */
static enum err make_sample(struct bench *b)
{
    const struct train_cfg *train = &b->x.cfg.train;
    const struct rollout_cfg cfg = {.seed = train->seed};
    struct rollout_tile tile = {.tile = 0};
    struct rollout *rollout;
    TRY(rollout_init(&rollout, &b->arena, &b->x.rules.env, b->learners));
    TRY(game_new(&tile.env, &b->arena, &b->x.rules, TILE, train->seed, NULL));
    TRY(block_init(&b->sample, &b->arena, &b->x.rules.env, 0, TILE, train->steps));
    return rollout_run(rollout, (struct block *const[]){&b->sample}, &tile, &cfg, 0,
                       b->x.cfg.game.horizon, train->envs);
}

static enum err replay_init(struct bench *b)
{
    const struct train_cfg *train = &b->x.cfg.train;
    const int n_tiles = train->envs / TILE;
    TRY(owners_init(&b->owners, &b->arena, n_tiles, b->c.size, train->learners));
    TRY(team_init(&b->team, &b->arena, &b->x.cfg.team, &b->x.rules.spec));
    TRY(team_init_params(&b->team, train->seed, &b->scratch));
    TRY(mappo_learner_init(&b->player, &b->arena, &b->team, &b->x.cfg.mappo));
    b->learners[0] = &b->player.base;
    exchange_init(&b->exchange, &b->c, &b->x.rules.env, b->learners, &b->scratch);
    TRY(make_sample(b));
    b->blocks = ARENA_NEW(&b->arena, n_tiles, struct block);
    TRY(arena_error(&b->arena));
    for (int tile = 0; tile < n_tiles; tile++) {
        if (b->owners.learn[tile] == b->c.rank && b->owners.sim[tile] != b->c.rank) {
            struct block *block = &b->blocks[b->n_learn++];
            TRY(block_init(block, &b->arena, &b->x.rules.env, 0, TILE, train->steps));
            block->tile = tile;
        }
    }
    return ERR_OK;
}

/* Where every rank learns, the trainer sends no weights. */
static bool sends_weights(const struct bench *b)
{
    return b->owners.n_learners < b->c.size;
}

/* Collective. All blocks to their learners, the weights to ranks that only simulate. */
static enum err exchange_all(struct bench *b, double *seconds)
{
    const struct owners *o = &b->owners;
    TRY(comm_barrier(&b->c));
    const double start = clock_s();
    for (int tile = 0; tile < o->n_tiles; tile++) {
        if (o->sim[tile] == b->c.rank && o->learn[tile] != b->c.rank) {
            b->sample.tile = tile;
            TRY(exchange_send_block(&b->exchange, o->learn[tile], &b->sample));
        }
    }
    TRY(exchange_receive_blocks(&b->exchange, b->blocks, b->n_learn, b->n_learn, 0));
    TRY(sends_weights(b) ? exchange_weights(&b->exchange) : ERR_OK);
    TRY(comm_barrier(&b->c));
    *seconds = clock_s() - start;
    return ERR_OK;
}

static bool same_block(const struct block *a, const struct block *b, const struct team_spec *s)
{
    const size_t rows = (size_t)(a->n_env * a->n_steps), agents = rows * (size_t)s->n_agents;
    const size_t choices = agents * (size_t)s->n_factors;
    const size_t words = choices * (size_t)env_mask_words(s);
    return memcmp(a->global_state, b->global_state,
                  rows * (size_t)s->n_global_state * sizeof(float)) == 0 &&
           memcmp(a->mask, b->mask, words * sizeof(uint32_t)) == 0 &&
           memcmp(a->action, b->action, choices * sizeof(int32_t)) == 0 &&
           memcmp(a->logp, b->logp, agents * sizeof(float)) == 0 &&
           memcmp(a->value, b->value, agents * sizeof(float)) == 0 &&
           memcmp(a->reward, b->reward, agents * sizeof(float)) == 0 &&
           memcmp(a->bootstrap_value, b->bootstrap_value, agents * sizeof(float)) == 0 &&
           memcmp(a->flag, b->flag, rows) == 0;
}

/* Collective. */
static enum err validate(struct bench *b)
{
    double ignored;
    TRY(exchange_all(b, &ignored));
    enum err e = ERR_OK;
    for (int i = 0; i < b->n_learn; i++) {
        if (!same_block(&b->blocks[i], &b->sample, b->team.spec)) {
            fprintf(stderr, "tile %d arrived changed\n", b->blocks[i].tile);
            e = ERR_MISMATCH;
        }
    }
    TRY(comm_agree(&b->c, e));
    return comm_same_u64(&b->c, "digest of the weights", team_digest(&b->team));
}

/* Collective. Communication of one update with nobody computing, median. */
static enum err measure_replay(struct bench *b, double *seconds)
{
    double t[ROUNDS];
    const struct mappo_cfg *mappo = &b->x.cfg.mappo;
    TRY(replay_init(b));
    TRY(validate(b));
    for (int i = 0; i < b->rounds; i++) {
        TRY(exchange_all(b, &t[i]));
    }
    *seconds = bench_median(t, b->rounds);
    if (b->owners.n_learners > 1) {
        struct reduce_shape grad, batch;
        mappo_shapes(&b->team, &grad, &batch);
        const double sum =
            bench_tree_sum(&b->c, &b->owners, reduce_bytes(&grad) / sizeof(float), b->rounds);
        *seconds += sum * mappo->epochs * mappo->minibatches;
    }
    return ERR_OK;
}

/* ---- the report ---- */

static void report_bytes(const struct bench *b, double env_steps, double weights)
{
    const int receivers = b->c.size - 1;
    const bool split = sends_weights(b);
    double bytes = -weights * b->updates; /* what is no broadcast of weights */
    for (int rank = 0; rank < b->c.size; rank++) {
        bytes += b->usage[rank].bytes;
    }
    bench_row(split ? "trajectories" : "gradient sums", bytes / env_steps, "bytes/env-step",
              "payload as counted by the senders of %d updates", b->updates);
    bench_row("weights", weights * receivers * b->updates / env_steps, "bytes/env-step",
              "%.0f bytes in every update to each of %d", weights, receivers);
}

static void report_waits(const struct bench *b, double replay_s)
{
    const struct usage *u = b->usage;
    const bool split = b->owners.n_learners < b->c.size;
    double waited = 0.0;
    for (int rank = split ? 1 : 0; rank < b->c.size; rank++) {
        waited += u[rank].waited_s / u[rank].seconds;
    }
    if (split) {
        bench_row("time in MPI, learner", 100.0 * u[0].waited_s / u[0].seconds, "%",
                  "almost all: waits for the simulators");
        bench_row("time in MPI, simulators", 100.0 * waited / (b->c.size - 1), "%",
                  "mean; waits for the slower one and for the learner");
    } else {
        bench_row("time in MPI", 100.0 * waited / b->c.size, "%",
                  "mean of the ranks; waits for the slower one included");
    }
    bench_row("communication itself", 100.0 * replay_s * b->updates / u[0].seconds, "% of the run",
              "%.2f ms per update, replayed %d times with nobody computing", replay_s * 1e3,
              b->rounds);
}

static void report(const struct bench *b, double replay_s, double weights)
{
    const struct train_cfg *train = &b->x.cfg.train;
    const double env_steps = (double)b->updates * train->envs * train->steps;
    bench_row("training, end to end", env_steps / b->usage[0].seconds, "env-steps/s",
              "%d updates of %d x %d, clock on the wall", b->updates, train->envs, train->steps);
    bench_row("an update of both teams", b->both_s / b->usage[0].seconds, "updates of one",
              "train.opponent=together, one attacker of the same layers, on the simulator");
    if (b->c.size > 1) {
        report_bytes(b, env_steps, weights);
        report_waits(b, replay_s);
        bench_checked("blocks arrive bit by bit, weights equal on all ranks");
    }
}

static void title(const struct comm *c)
{
    char text[128];
    snprintf(text, sizeof text,
             c->size >= 3 ? "Training, %d ranks: 1 learns, %d simulate"
                          : "Training, %d ranks: each simulates and learns",
             c->size, c->size - 1);
    bench_title(c->size == 1 ? "Training, one rank" : text);
}

static enum err bench_run(struct bench *b)
{
    double replay_s = 0.0;
    TRY(measure_training(b));
    TRY(measure_replay(b, &replay_s));
    const uint64_t before = b->c.bytes_sent;
    TRY(sends_weights(b) ? exchange_weights(&b->exchange) : ERR_OK);
    if (b->c.rank == 0) {
        report(b, replay_s, (double)(b->c.bytes_sent - before));
    }
    return ERR_OK;
}

int main(int argc, char **argv)
{
    static struct bench b;
    bench_start(&b.c, &argc, &argv);
    b.options = bench_options(argc, argv);
    b.updates = b.options.quick ? 1 : UPDATES;
    b.rounds = b.options.quick ? 1 : ROUNDS;
    const char *const sets[] = {b.c.size >= 3 ? "train.learners=1" : "train.learners=0",
                                "train.init=scratch", "train.opponent=scripted", "train.envs=32",
                                "train.steps=5"};
    const char *both[] = {sets[0], sets[1], "train.opponent=together", sets[3], sets[4]};
    arena_init(&b.arena);
    arena_init(&b.scratch);
    if (b.c.rank == 0) {
        title(&b.c);
    }
    comm_must(experiment_load(&b.x, config, sets, b.options.quick ? 5 : 3));
    comm_must(experiment_load(&b.attacked, config, both, b.options.quick ? 5 : 3));
    comm_must(bench_run(&b));
    exchange_release(&b.exchange);
    arena_release(&b.scratch);
    arena_release(&b.arena);
    experiment_release(&b.attacked);
    experiment_release(&b.x);
    comm_finalize(&b.c);
    return 0;
}
