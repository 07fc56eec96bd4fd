"""What a function prints is kept, within bounds."""

import os

from emulator.localstack.lambda_process.output import Output


def test_of_too_much_output_the_beginning_is_kept_and_the_rest_is_counted() -> None:
    # given a process that prints more than is kept
    output = Output(most_bytes=10)
    writer = os.dup(output.write_end)
    output.follow()
    os.write(writer, b"first line\nsecond line\n")

    # when it is asked for, then it is the beginning, and what comes later is complete again
    assert output.take() == "first line\n(13 more bytes of output were dropped)\n"
    os.write(writer, b"third")
    assert output.take() == "third\n"
    assert output.take() == ""
    os.close(writer)
