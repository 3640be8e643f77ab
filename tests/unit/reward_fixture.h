/* The plant of examples that are worked out by hand: periods of 15 s, requests in time within
 * 200 ms, a cost weight of 0.2. The tests of rewards and of episode metrics use it. */
#ifndef KARMA_TESTS_UNIT_REWARD_FIXTURE_H
#define KARMA_TESTS_UNIT_REWARD_FIXTURE_H

#include "core/plant/plant.h"

static const struct plant_cfg CFG = {.period_s = 15,
                                     .scrape_s = 5,
                                     .window_s = 30,
                                     .hpa_window_s = 15,
                                     .lag_s = 7.5,
                                     .latency_max_ms = 200,
                                     .timeout_s = 2,
                                     .cost_weight = 0.2,
                                     .alpha = 3,
                                     .headroom_target = 0.7,
                                     .reward_from = REWARD_EXACT,
                                     .reward = REWARD_RESILIENCE};

#endif
