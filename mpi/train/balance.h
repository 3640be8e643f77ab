/* Balance: what an update costs under an owner table, by measured times, and which table is best.
 *
 * A table is two numbers: how many ranks learn, and how many tiles they simulate beside that
 * (owners.h). With a seconds to simulate a tile, u to learn from it, u0 that each learning rank
 * needs whatever it owns, and C processors for all ranks, a table with s_r tiles simulated and l_r
 * learned on rank r takes, for one update,
 *
 *     rollout   R = max(max_r a s_r, a n / C)
 *     learning  U = max(u l, u n / C) + u0 + sums,   l = turns ceil(max_r l_r / turns)
 *     blocks    B = d max over learners of blocks received
 *     update    R + B + U + rest                          train.pipeline 0
 *               max(max_r (a s_r + [learner] (B + U)), (a + u) n / C) + rest      1
 *
 * turns: the learner goes through its tiles in so many parts of equal size and ranks wait for each
 * other after each (minibatches). `sums` are the tree sums by the LogGP model (loggp.h); rest is
 * what rank 0 does alone, and the agreements of all ranks.
 */
#ifndef KARMA_TRAIN_BALANCE_H
#define KARMA_TRAIN_BALANCE_H

#include "core/base/mem.h"
#include "mpi/comm/loggp.h"

/* Tree sums of one kind in one update. */
struct balance_sum {
    double count;
    size_t bytes;
    bool divisible;
};
enum { BALANCE_SUMS_MAX = 32 };

struct balance_costs {
    int n_tiles, size;
    int pipeline;      /* train.pipeline */
    int turns;         /* >= 1 */
    double simulate_s; /* a: a tile, for one rollout */
    double update_s;   /* u: a tile, for one update */
    double fixed_s;    /* u0: a learning rank, for one update; 0 if it is not known apart from u */
    double rest_s;     /* rank 0: files */
    double block_s;    /* d: receiving and decoding the blocks of a tile */
    struct balance_sum sums[BALANCE_SUMS_MAX];
    int n_sums;        /* kinds of sums */
    int n_agreements;  /* collectives of 8 bytes in one update */
    double processors; /* C: that the ranks have, at most `size` */
    struct loggp net;
};

/* One update, predicted. */
struct balance_forecast {
    double update_s;        /* wall-clock time, every rank on a processor of its own */
    double cpu_s;           /* CPU time of the busiest rank, waits apart */
    double messages, bytes; /* of all ranks: blocks and sums */
};

struct balance_table {
    int learners;    /* as train.learners: 0 = every rank does both */
    int simulated;   /* as train.learners_simulate */
    double update_s; /* predicted */
};

/* Local. An update under a table that owners_check() allows. scratch is rewound. */
enum err balance_predict(struct balance_forecast *out, const struct balance_costs *costs,
                         int learners, int simulated, struct arena *scratch) WARN_UNUSED;

/* Local. The table with the shortest update; of equal ones the one with fewer messages. Candidates:
 * all ranks (if there are enough tiles); 1, 2, 3, 4, 6, 8, 12, ... learners, with 0 to n_tiles
 * tiles simulated by them. Same costs, same answer. */
enum err balance_choose(struct balance_table *out, const struct balance_costs *costs,
                        struct arena *scratch) WARN_UNUSED;

#endif
