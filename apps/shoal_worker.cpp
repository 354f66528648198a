#include "worker/worker.hpp"

// Started by the controller as `shoal-worker NAME` with the control socket as descriptor 3; the name
// is for people who look at the process table.
int main() { return shoal::worker::worker_main(3); }
