"""The command `evaluate`: how good a checkpoint is."""

from command_line import UsageError, probability
from fashion_datasets import annotated_photos, drawn_pictures
from fashion_runs import add_weights, check_classes, checkpoint_of, load_model, output_folder
from fashion_settings import EVALUATION_MIN_CONFIDENCE, overrides_of


def evaluate(options):
    """Print AP, AP50 and AP75, and write what they were computed from."""
    from mrcnn.evaluation import evaluate as evaluation

    overrides = overrides_of(options)
    if bool(options.images) != bool(options.annotations):
        raise UsageError("Photos need both --images DIR and --annotations FILE.")
    if options.images:
        dataset = annotated_photos(options.annotations, options.images, options.limit)
    else:
        dataset = drawn_pictures("val", options.limit)
    path = checkpoint_of(options)
    check_classes(path, dataset, options.annotations or "the drawn pictures")
    model, folder = load_model(path, options, overrides), output_folder(options, path, "evaluation")
    metrics, results, truth = evaluation.evaluate(model, dataset)
    evaluation.write_report(folder, metrics, results, truth)
    print(evaluation.metrics_table(metrics))
    print(f"metrics.json, detections.json and ground_truth.json are in {folder}")


def add_evaluate(commands, add_command):
    command = add_command(commands, "evaluate", evaluate,
                          "Print AP, AP50, AP75 of masks and boxes; write metrics.json and detections.json.")
    add_weights(command)
    command.add_argument("--images", metavar="DIR", help="folder of the photos (default: drawn pictures)")
    command.add_argument("--annotations", metavar="FILE", help="COCO annotations of the photos")
    command.add_argument("--output", metavar="DIR", help="folder to write to (default: evaluation in the run's folder)")
    command.add_argument("--min-confidence", type=probability, default=EVALUATION_MIN_CONFIDENCE, metavar="P",
                         help=f"least score of a detection (default {EVALUATION_MIN_CONFIDENCE}: AP needs the "
                              "uncertain ones too)")
