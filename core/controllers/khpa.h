/* Parameters of khpa, the Kubernetes horizontal pod autoscaler. What they do: khpa.c. */
#ifndef KARMA_CONTROLLERS_KHPA_H
#define KARMA_CONTROLLERS_KHPA_H

/* spec.behavior of a HorizontalPodAutoscaler. */
enum khpa_behavior { KHPA_BEHAVIOR_NONE, KHPA_BEHAVIOR_DEFAULT };

struct khpa_params {
    int behavior;  /* enum khpa_behavior */
    double target; /* utilisation: CPU used / requested */
    double up_s;   /* stabilisation windows */
    double down_s;
    double tolerance;
};

#endif
