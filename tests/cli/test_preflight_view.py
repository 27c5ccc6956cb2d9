from tunesmith.cli.preflight import bar, bars


def test_bars_are_in_proportion_and_leave_no_power_of_two_out() -> None:
    lengths = {limit: len(drawn) for limit, drawn in bars({32: 20, 128: 40, 256: 10}).items()}
    assert lengths == {32: 20, 64: 0, 128: 40, 256: 10}


def test_a_bar_is_right_to_an_eighth_of_a_character_and_never_hides_a_few() -> None:
    assert bar(1) == "█" * 40
    assert bar(0.5 + 1 / 80) == "█" * 20 + "▌"
    assert bar(1e-9) == "▏"
    assert bar(0) == ""
