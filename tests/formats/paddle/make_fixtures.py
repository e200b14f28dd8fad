"""Makes small networks in PaddlePaddle, runs them, and records files, inputs and outputs: `python make_fixtures.py`.

PaddlePaddle 3 writes programs of PIR, PaddlePaddle 2 those of before; each is run with its own interpreter.
"""

import pathlib
import sys
import tempfile

import networks
import numpy as np
import paddle

HERE = pathlib.Path(__file__).parent
NEW = int(paddle.__version__.partition(".")[0]) > 2
BATCH, STEPS = 2, 4


def declared(given):
    """The shape and the dtype of an input."""
    return (given[0], given[1]) if isinstance(given[0], list) else (given, networks.FLOAT)


def drawn(given, seed):
    """An array for an input."""
    shape, dtype = declared(given)
    open_sizes = [BATCH if axis == 0 else STEPS for axis in range(len(shape))]
    size = [BATCH if s is None and shape[0] is not None else o if s is None else s for s, o in zip(shape, open_sizes)]
    size = [
        STEPS if s is None and axis == 1 and shape[0] is None else n for axis, (s, n) in enumerate(zip(shape, size))
    ]
    state = np.random.RandomState(seed)
    return state.randint(0, 6, size) if dtype == networks.INTEGER else state.uniform(-1, 1, size).astype("float32")


def record_function(function, inputs, prefix):
    """Builds a program from a function, saves it, and runs it."""
    paddle.enable_static()
    main, start = paddle.static.Program(), paddle.static.Program()
    arrays = [drawn(one, number) for number, one in enumerate(inputs)]
    with paddle.static.program_guard(main, start):
        feeds = []
        for number, one in enumerate(inputs):
            shape, dtype = declared(one)
            feeds.append(paddle.static.data(f"x{number}", shape, dtype))
        made = function(*feeds)
        made = list(made) if isinstance(made, list | tuple) else [made]
        runner = paddle.static.Executor(paddle.CPUPlace())
        runner.run(start)
        paddle.static.save_inference_model(prefix, feeds, made, runner, program=main)
        loaded, names, fetches = paddle.static.load_inference_model(prefix, runner)
        found = runner.run(loaded, dict(zip(names, arrays)), fetches)
    paddle.disable_static()
    return arrays, found


def record_layer(make, inputs, prefix):
    """Saves a layer and runs it."""
    paddle.seed(1)
    network = make()
    network.eval()
    state = np.random.RandomState(5)
    for one in network.parameters():  # the statistics of norms are among these
        if len(one.shape) == 1:
            one.set_value(paddle.to_tensor(state.uniform(0.2, 1.2, one.shape).astype("float32")))
    arrays = [drawn(one, number) for number, one in enumerate(inputs)]
    found = network(*(paddle.to_tensor(one) for one in arrays))
    found = list(found) if isinstance(found, list | tuple) else [found]
    specs = [
        paddle.static.InputSpec(list(declared(one)[0]), declared(one)[1], name=f"x{number}")
        for number, one in enumerate(inputs)
    ]
    paddle.jit.save(network, prefix, input_spec=specs)
    return arrays, [one.numpy() for one in found]


def record(names):
    """All networks, or those that are named."""
    recorded = {}
    for kind, table in ((record_layer, networks.LAYERS), (record_function, networks.FUNCTIONS)):
        for name, (made, inputs) in table.items():
            if names and name not in names:
                continue
            with tempfile.TemporaryDirectory() as folder:
                try:
                    arrays, found = kind(made, inputs, f"{folder}/net")
                except Exception as error:  # one version may lack what the other has
                    print(f"{name}: {type(error).__name__}: {str(error)[-400:]}")
                    paddle.disable_static()
                    continue
                program = "net.json" if NEW else "net.pdmodel"
                for key, file in (("program", program), ("params", "net.pdiparams")):
                    path = pathlib.Path(folder, file)
                    recorded[f"{name}/{key}"] = np.frombuffer(path.read_bytes() if path.exists() else b"", "uint8")
                recorded |= {f"{name}/in/{i}": one for i, one in enumerate(arrays)}
                recorded |= {f"{name}/out/{i:02d}": np.asarray(one) for i, one in enumerate(found)}
            print(name, [np.shape(one) for one in found])
    return recorded


def save(recorded):
    """Writes what was recorded to files of less than 200 KB, each network in one of them."""
    sizes = {}
    for name, array in recorded.items():
        network = name.partition("/")[0]
        sizes[network] = sizes.get(network, 0) + array.nbytes
    parts, size = [{}], 0
    for network, more in sizes.items():
        if parts[-1] and size + more > 190_000:
            parts.append({})
            size = 0
        parts[-1] |= {name: array for name, array in recorded.items() if name.partition("/")[0] == network}
        size += more
    for number, part in enumerate(parts):
        np.savez_compressed(HERE / f"recorded_{'pir' if NEW else 'program'}_{number}.npz", **part)


if __name__ == "__main__":
    everything = record(sys.argv[1:])
    if not sys.argv[1:]:
        save(everything)
