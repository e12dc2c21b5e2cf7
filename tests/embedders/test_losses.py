import pytest
import torch
from pytorch_metric_learning import losses, miners

from skmatch.embedders._losses import LOSSES, MINERS, Objective, make_loss, make_miner


@pytest.mark.parametrize("name", sorted(LOSSES))
@pytest.mark.parametrize("miner", [None, *sorted(MINERS)])
def test_every_name_trains(name, miner):
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(12, 6, generator=generator).requires_grad_()
    labels = torch.arange(4).repeat_interleave(3)
    loss, mine = make_loss(name, 4, 6), make_miner(miner)
    mined = mine(embeddings, labels) if mine is not None else None
    value = loss(torch.nn.functional.normalize(embeddings), labels, mined)
    value.backward()
    assert value.item() > 0
    assert embeddings.grad.abs().sum() > 0


def test_object_is_copied():
    loss, miner = losses.ArcFaceLoss(4, 6), miners.BatchHardMiner()
    made = make_loss(loss, 4, 6)
    assert type(made) is losses.ArcFaceLoss
    assert made is not loss
    assert made.W is not loss.W
    assert make_miner(miner) is not miner


@pytest.mark.parametrize("loss", ["tripel", 5, miners.BatchHardMiner()])
def test_unknown_loss(loss):
    with pytest.raises(ValueError, match=r"(?s)loss=.*expected one of \['arcface'"):
        make_loss(loss, 4, 6)


@pytest.mark.parametrize("miner", ["hardest", 5, losses.TripletMarginLoss()])
def test_unknown_miner(miner):
    with pytest.raises(
        ValueError, match=r"(?s)miner=.*expected None, one of \['batch_easy"
    ):
        make_miner(miner)


def test_loss_for_too_few_classes():
    with pytest.raises(ValueError, match="num_classes=3; expected at least 4"):
        make_loss(losses.ArcFaceLoss(3, 6), 4, 6)


def test_loss_for_embeddings_of_another_size():
    with pytest.raises(ValueError, match=r"shape \(6, 4\); expected embedding_dim=5"):
        make_loss(losses.ArcFaceLoss(4, 6), 4, 5)


def test_losses_that_wrap_others():
    memory = losses.CrossBatchMemory(losses.ContrastiveLoss(), 6)
    both = losses.MultipleLosses([losses.ContrastiveLoss(), losses.SupConLoss()])
    embeddings, labels = torch.eye(6), torch.tensor([0, 0, 1, 1, 2, 2])
    for loss in (memory, both):
        assert make_loss(loss, 3, 6)(embeddings, labels, None).item() > 0


# At 0, 60 and 180 degrees: distances 1, 2 and the root of 3.
POINTS = torch.tensor([[1.0, 0.0], [0.5, 3**0.5 / 2], [-1.0, 0.0]])
LABELS = torch.tensor([0, 0, 1])


def test_means_of_the_loss_and_of_its_nonzero_terms():
    objective = Objective(losses.TripletMarginLoss(0.9))
    value = objective(POINTS, LABELS)  # of the triplets 0.9 + 1 - 2 and - root of 3
    assert value.item() == pytest.approx(1.9 - 3**0.5, abs=1e-6)
    objective(POINTS[[0, 0, 2]], LABELS)  # both are far enough
    means = objective.pop_means()
    assert means["loss"] == pytest.approx((1.9 - 3**0.5) / 2, abs=1e-6)
    assert means["nonzero_share"] == 1 / 4
    assert means["empty_batches"] == 1
    objective(POINTS, LABELS)
    assert objective.pop_means()["nonzero_share"] == 1 / 2


def test_miner_leaves_the_loss_what_it_picks():
    objective = Objective(
        losses.TripletMarginLoss(0.9), miners.TripletMarginMiner(margin=-2.0)
    )
    assert objective(POINTS, LABELS).item() == 0
    assert objective.pop_means()["empty_batches"] == 1
