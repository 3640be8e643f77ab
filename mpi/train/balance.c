/* Every candidate is predicted, the best one taken. See balance.h. */
#include "mpi/train/balance.h"

#include "mpi/comm/owners.h"

#include <math.h>

static double larger(double a, double b)
{
    return a > b ? a : b;
}

/* What a table asks of the busiest ranks. */
struct shares {
    int simulates, learns, receives; /* most tiles of one rank */
    int learner_simulates;           /* of a rank that learns */
    int blocks;                      /* tiles that leave their rank, of all ranks */
};

static struct shares shares_of(const struct owners *o, const struct balance_costs *c)
{
    struct shares s = {0};
    for (int rank = 0; rank < c->size; rank++) {
        int sim = 0, learn = 0, received = 0;
        for (int tile = 0; tile < o->n_tiles; tile++) {
            sim += o->sim[tile] == rank;
            learn += o->learn[tile] == rank;
            received += o->learn[tile] == rank && o->sim[tile] != rank;
        }
        s.simulates = sim > s.simulates ? sim : s.simulates;
        s.learns = learn > s.learns ? learn : s.learns;
        s.receives = received > s.receives ? received : s.receives;
        s.blocks += received;
        s.learner_simulates = learn > 0 && sim > s.learner_simulates ? sim : s.learner_simulates;
    }
    return s;
}

/* All sums of an update. Adding streams two records and writes a third; a byte of a message is
 * copied in about the same time, so the same constant is used, and none is measured. */
static enum err add_sums(struct loggp_sum *all, const struct balance_costs *c,
                         const struct owners *o, struct arena *scratch)
{
    *all = (struct loggp_sum){0};
    for (int i = 0; i < c->n_sums && o->n_learners > 1; i++) {
        const struct balance_sum *s = &c->sums[i];
        struct loggp_sum one;
        TRY(loggp_sum(&one, &c->net, s->bytes, s->divisible, c->net.byte_s, o->n_tiles, o->learn,
                      o->size, scratch));
        all->seconds += s->count * one.seconds;
        all->messages += s->count * one.messages;
        all->bytes += s->count * one.bytes;
    }
    return ERR_OK;
}

/* An agreement goes to one rank and back along binomial trees. */
static double rest_s(const struct balance_costs *c)
{
    return c->rest_s + 2.0 * c->n_agreements * loggp_bcast_s(&c->net, 8, c->size);
}

/* CPU time of the messages of one rank: each is handed over once and taken once. */
static double messages_s(const struct balance_costs *c, const struct loggp_sum *sums,
                         int n_learners)
{
    return 2.0 * (sums->messages * c->net.overhead_s + sums->bytes * c->net.byte_s) / n_learners;
}

static enum err predict(struct balance_forecast *out, const struct balance_costs *c, int learners,
                        int simulated, struct arena *scratch)
{
    struct owners o;
    struct loggp_sum sums;
    TRY(owners_deal(&o, scratch, c->n_tiles, c->size, learners, simulated));
    TRY(add_sums(&sums, c, &o, scratch));
    const struct shares s = shares_of(&o, c);
    const double n = c->n_tiles, a = c->simulate_s, u = c->update_s;
    const double l = c->turns * ceil((double)s.learns / c->turns);
    const double blocks = c->block_s * s.receives;
    const double messages = messages_s(c, &sums, o.n_learners);
    const double busy = a * s.learner_simulates + blocks + u * s.learns + c->fixed_s + messages;
    *out = (struct balance_forecast){.cpu_s = larger(busy, a * s.simulates) + c->rest_s,
                                     .messages = sums.messages + s.blocks,
                                     .bytes = sums.bytes};
    if (c->pipeline == 0) {
        const double rollout = larger(a * s.simulates, a * n / c->processors);
        const double learning = larger(u * l, u * n / c->processors) + c->fixed_s + sums.seconds;
        out->update_s = rollout + blocks + learning + rest_s(c);
    } else {
        const double learner = a * s.learner_simulates + blocks + u * l + c->fixed_s + sums.seconds;
        const double all = larger(learner, a * s.simulates);
        out->update_s = larger(all, (a + u) * n / c->processors) + rest_s(c);
    }
    return ERR_OK;
}

enum err balance_predict(struct balance_forecast *out, const struct balance_costs *costs,
                         int learners, int simulated, struct arena *scratch)
{
    const struct arena_mark mark = arena_mark(scratch);
    const enum err e = predict(out, costs, learners, simulated, scratch);
    arena_rewind(scratch, mark);
    return e;
}

static enum err consider(struct balance_table *best, const struct balance_costs *c, int learners,
                         int simulated, struct arena *scratch)
{
    struct balance_forecast f;
    TRY(balance_predict(&f, c, learners, simulated, scratch));
    if (best->update_s < 0.0 || f.update_s < best->update_s) {
        *best = (struct balance_table){learners, simulated, f.update_s};
    }
    return ERR_OK;
}

/* 1, 2, 3, 4, 6, 8, 12, 16, ...: tables in between differ by a third at most. */
static int next_count(int n)
{
    return n < 4 ? n + 1 : (n & (n - 1)) == 0 ? n + n / 2 : n / 3 * 4;
}

enum { SIMULATED_STEPS = 32 };

/* Fused ranks come first: of equal tables they send no blocks. */
enum err balance_choose(struct balance_table *out, const struct balance_costs *c,
                        struct arena *scratch)
{
    struct balance_table best = {.update_s = -1.0};
    const int step = 1 + c->n_tiles / SIMULATED_STEPS;
    if (c->size == 1 || c->n_tiles >= c->size) {
        TRY(consider(&best, c, 0, 0, scratch));
    }
    for (int learners = 1; learners < c->size && learners <= c->n_tiles;
         learners = next_count(learners)) {
        for (int simulated = 0; simulated <= c->n_tiles; simulated += step) {
            TRY(consider(&best, c, learners, simulated, scratch));
        }
    }
    *out = best;
    return ERR_OK;
}
