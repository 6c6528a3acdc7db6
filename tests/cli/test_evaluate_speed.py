"""`lamlam eval speed train` says in one line what it cannot measure."""


def test_what_does_not_fit_together_is_one_line(run_cli):
    ran = run_cli("eval", "speed", "train", "tiny", "--windows", 4, "--micro-batch", 3)
    assert (ran.code, ran.err) == (1, "error: a micro-batch of 3 windows does not divide a step of 4\n")
    for option in ("--windows", "--micro-batch", "--their-micro-batch", "--context", "--steps"):
        assert run_cli("eval", "speed", "train", "tiny", option, 0).code == 2
    assert run_cli("eval", "speed", "train", "tiny", "--recompute", -1).code == 2
